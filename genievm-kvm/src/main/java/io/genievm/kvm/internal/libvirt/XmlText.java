package io.genievm.kvm.internal.libvirt;

import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.io.IOException;
import java.io.StringReader;
import java.util.ArrayList;
import java.util.List;
import javax.xml.XMLConstants;
import javax.xml.parsers.DocumentBuilder;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.jspecify.annotations.Nullable;
import org.w3c.dom.Element;
import org.w3c.dom.Node;
import org.xml.sax.ErrorHandler;
import org.xml.sax.InputSource;
import org.xml.sax.SAXException;
import org.xml.sax.SAXParseException;

/**
 * Reads and writes XML. Reads none with a document type, so that nothing outside a document and nothing of more than its
 * own length comes in.
 */
final class XmlText {
    /** Characters: far more than libvirt lets through itself. */
    private static final int LONGEST = 16 << 20;

    private XmlText() {}

    /**
     * Reads a document.
     *
     * @param xml the document
     * @param root the name of its root
     * @param resource what it is of
     * @throws GenieVmException with {@code IO_ERROR} when it is not well formed, has a document type, another root, or is
     *     too long
     */
    static Element parse(String xml, String root, Resource resource) {
        if (xml.length() > LONGEST) {
            throw unreadable(resource, root, "it has " + xml.length() + " characters, and " + LONGEST + " is the most");
        }
        Element element;
        try {
            element = parser().parse(new InputSource(new StringReader(xml))).getDocumentElement();
        } catch (SAXException | IOException e) {
            throw unreadable(resource, root, e.getMessage());
        }
        if (!root.equals(element.getNodeName())) {
            throw unreadable(resource, root, "its root is <" + element.getNodeName() + ">");
        }
        return element;
    }

    private static DocumentBuilder parser() {
        try {
            // The JDK's own, not one that happens to be on the class path, as features differ.
            DocumentBuilderFactory factory = DocumentBuilderFactory.newDefaultInstance();
            factory.setFeature(XMLConstants.FEATURE_SECURE_PROCESSING, true);
            factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
            factory.setAttribute(XMLConstants.ACCESS_EXTERNAL_DTD, "");
            factory.setAttribute(XMLConstants.ACCESS_EXTERNAL_SCHEMA, "");
            factory.setXIncludeAware(false);
            factory.setExpandEntityReferences(false);
            DocumentBuilder builder = factory.newDocumentBuilder();
            builder.setErrorHandler(QUIET);
            return builder;
        } catch (ParserConfigurationException e) {
            throw new IllegalStateException("the JDK's XML parser lacks a feature that it has had for ever", e);
        }
    }

    private static final ErrorHandler QUIET = new ErrorHandler() {
        @Override
        public void warning(SAXParseException e) {
            // Not our concern, and the default prints it.
        }

        @Override
        public void error(SAXParseException e) throws SAXException {
            throw e;
        }

        @Override
        public void fatalError(SAXParseException e) throws SAXException {
            throw e;
        }
    };

    static GenieVmException unreadable(Resource resource, String root, @Nullable String why) {
        return new GenieVmException(ErrorCode.IO_ERROR, resource, "a <" + root + "> document can not be read: " + why);
    }

    /** The children of a name, in their order. */
    static List<Element> children(Element parent, String name) {
        List<Element> found = new ArrayList<>();
        for (Node node = parent.getFirstChild(); node != null; node = node.getNextSibling()) {
            if (node instanceof Element element && name.equals(element.getNodeName())) {
                found.add(element);
            }
        }
        return found;
    }

    /** The first child of a name. */
    static @Nullable Element child(Element parent, String name) {
        List<Element> found = children(parent, name);
        return found.isEmpty() ? null : found.get(0);
    }

    /** The children of the first child of a name. */
    static List<Element> grandchildren(Element parent, String between, String name) {
        Element child = child(parent, between);
        return child == null ? List.of() : children(child, name);
    }

    /** The text in the first child of a name; empty when there is none. */
    static String textOf(Element parent, String name) {
        Element child = child(parent, name);
        return child == null ? "" : child.getTextContent().strip();
    }

    /** The attribute of the first child of a name; empty when there is none. */
    static String attributeOf(Element parent, String name, String attribute) {
        Element child = child(parent, name);
        return child == null ? "" : child.getAttribute(attribute);
    }

    /**
     * Makes text fit for between tags and for an attribute in either kind of quotes.
     *
     * @throws IllegalArgumentException when there is a character that XML can not hold
     */
    static String escape(String text) {
        StringBuilder out = new StringBuilder(text.length() + 16);
        text.codePoints().forEach(point -> {
            switch (point) {
                case '&' -> out.append("&amp;");
                case '<' -> out.append("&lt;");
                case '>' -> out.append("&gt;");
                case '\'' -> out.append("&apos;");
                case '"' -> out.append("&quot;");
                // As themselves they would be read as spaces.
                case '\t', '\n', '\r' -> out.append("&#").append(point).append(';');
                default -> {
                    if (point < ' '
                            || point == 0xFFFE
                            || point == 0xFFFF
                            || point >= Character.MIN_SURROGATE && point <= Character.MAX_SURROGATE) {
                        throw new IllegalArgumentException(
                                String.format("XML can not hold the character U+%04X", point));
                    }
                    out.appendCodePoint(point);
                }
            }
        });
        return out.toString();
    }
}
