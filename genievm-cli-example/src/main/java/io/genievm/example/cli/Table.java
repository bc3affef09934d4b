package io.genievm.example.cli;

import java.util.ArrayList;
import java.util.List;

/** Aligned columns, two spaces apart. */
final class Table {
    private final List<Boolean> toTheRight = new ArrayList<>();
    private final List<String> header = new ArrayList<>();
    private final List<List<String>> rows = new ArrayList<>();

    Table() {
        rows.add(header);
    }

    /** Adds a column of words. */
    Table words(String title) {
        return column(title, false);
    }

    /** Adds a column of figures, which stand to the right. */
    Table figures(String title) {
        return column(title, true);
    }

    Table row(String... cells) {
        if (cells.length != header.size()) {
            throw new IllegalArgumentException(cells.length + " cells for " + header.size() + " columns");
        }
        rows.add(List.of(cells));
        return this;
    }

    /** Gives a line for the titles and one for each row. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        for (List<String> row : rows) {
            StringBuilder line = new StringBuilder();
            for (int column = 0; column < row.size(); column++) {
                String cell = row.get(column);
                String padding = " ".repeat(width(column) - cell.length());
                line.append(column == 0 ? "" : "  ").append(toTheRight.get(column) ? padding + cell : cell + padding);
            }
            text.append(line.toString().stripTrailing()).append('\n');
        }
        return text.toString();
    }

    private Table column(String title, boolean right) {
        header.add(title);
        toTheRight.add(right);
        return this;
    }

    private int width(int column) {
        return rows.stream().mapToInt(row -> row.get(column).length()).max().orElse(0);
    }
}
