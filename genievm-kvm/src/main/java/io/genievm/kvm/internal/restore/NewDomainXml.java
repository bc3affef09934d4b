package io.genievm.kvm.internal.restore;

import io.genievm.api.DiskId;
import io.genievm.api.ErrorCode;
import io.genievm.api.GenieVmException;
import io.genievm.api.Resource;
import java.io.IOException;
import java.io.StringReader;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import javax.xml.XMLConstants;
import javax.xml.parsers.DocumentBuilder;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import javax.xml.transform.OutputKeys;
import javax.xml.transform.Transformer;
import javax.xml.transform.TransformerException;
import javax.xml.transform.TransformerFactory;
import javax.xml.transform.dom.DOMSource;
import javax.xml.transform.stream.StreamResult;
import org.jspecify.annotations.Nullable;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.Node;
import org.xml.sax.ErrorHandler;
import org.xml.sax.InputSource;
import org.xml.sax.SAXException;
import org.xml.sax.SAXParseException;

/**
 * Makes the definition of a new domain out of that of the one that was backed up. The new one is to run beside the old one,
 * so what only one of them can have is drawn anew or left to libvirt: UUID, MAC addresses, ports, sockets, logs. All else
 * stays, also what the host may not have, such as networks and devices that are handed through: libvirt says so when the
 * domain is defined or started, and to leave it out would be to restore another VM without a word.
 */
final class NewDomainXml {
    /**
     * The machine for disks that come without one: 1 GiB of memory, one processor, no network, as none may exist, and no
     * screen, as nobody would be asked for a password there.
     */
    static final String PLAIN = """
            <domain type='kvm'>
              <name>plain</name>
              <memory unit='GiB'>1</memory>
              <vcpu>1</vcpu>
              <os>
                <type arch='x86_64' machine='q35'>hvm</type>
                <boot dev='hd'/>
              </os>
              <features><acpi/><apic/></features>
              <clock offset='utc'/>
              <devices>
                <serial type='pty'/>
                <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
              </devices>
            </domain>
            """;

    /** Whatever libvirt prints is not deeper than a tenth of this. */
    private static final int DEEPEST = 200;

    /** A moment that is over: nobody gets in by a password that libvirt did not tell. */
    private static final String EXPIRED = "1970-01-01T00:00:01";

    private static final Set<String> HOST_DEVICES = Set.of("hostdev", "filesystem", "shmem");
    private static final Set<String> SCRIPTS = Set.of("script", "downscript");
    private static final Pattern ADDED_TARGET = Pattern.compile("[vs]d[a-z]{1,2}");

    private final Document document;
    private final Element domain;
    private final Parts parts;

    private NewDomainXml(String original, Parts parts) {
        this.document = parse(original);
        this.domain = document.getDocumentElement();
        this.parts = parts;
    }

    /**
     * What is new.
     *
     * @param name the name
     * @param type {@code kvm} or {@code qemu}, or {@code null} for that of the original
     * @param format of the files of all disks: {@code qcow2} or {@code raw}
     * @param disks the files of the disks by id
     * @param nvram the file with the firmware's variables, or {@code null} to have libvirt make one if one is needed
     * @param isProgram says whether there is a program at a path
     */
    record Parts(
            String name,
            @Nullable String type,
            String format,
            SortedMap<DiskId, Path> disks,
            @Nullable Path nvram,
            Predicate<String> isProgram) {
        Parts {
            disks = new TreeMap<>(disks);
        }
    }

    /**
     * Makes the definition.
     *
     * @param original the definition of the domain that was backed up, or {@link #PLAIN}
     * @throws GenieVmException with {@code IO_ERROR} when the original is no definition of a domain of KVM or QEMU
     */
    static String of(String original, Parts parts) {
        NewDomainXml xml = new NewDomainXml(original, parts);
        xml.change();
        return xml.print();
    }

    /**
     * The type of a domain: {@code kvm} or {@code qemu}.
     *
     * @throws GenieVmException as {@link #of} does
     */
    static String typeOf(String original) {
        return parse(original).getDocumentElement().getAttribute("type");
    }

    /**
     * What of a definition has the host run something, or hands over what is the host's: names of elements, none twice. Who
     * wrote the definition may be anybody who can write to the repository, and libvirt carries it out with the rights of
     * root.
     *
     * @throws GenieVmException as {@link #of} does
     */
    static NavigableSet<String> hostAccessOf(String original) {
        NavigableSet<String> found = new TreeSet<>();
        Element domain = parse(original).getDocumentElement();
        for (Node node = domain.getFirstChild(); node != null; node = node.getNextSibling()) {
            if (node instanceof Element element && element.getNamespaceURI() != null) {
                // Arguments of QEMU's, and other ways around libvirt.
                found.add(element.getTagName());
            }
        }
        for (Element device : children(only(domain, "devices"))) {
            String name = device.getLocalName();
            if (HOST_DEVICES.contains(name)) {
                found.add(name);
            } else if (name.equals("interface")) {
                if (device.getAttribute("type").equals("hostdev")) {
                    found.add("interface type='hostdev'");
                }
                children(device).stream()
                        .map(Element::getLocalName)
                        .filter(SCRIPTS::contains)
                        .forEach(found::add);
            }
        }
        return found;
    }

    private void change() {
        String oldType = domain.getAttribute("type");
        String newType = parts.type() == null ? oldType : parts.type();
        domain.setAttribute("type", newType);
        domain.removeAttribute("id");
        only(domain, "name").setTextContent(parts.name());
        removeChildren(domain, "uuid");
        forgetUuidOfBios();
        // An empty one has libvirt draw it, so that the guest sees that it is another.
        children(domain, "genid").forEach(genid -> genid.setTextContent(""));
        changeNvram();
        changeSecurityLabels();
        if (newType.equals("qemu") && !oldType.equals("qemu")) {
            emulateProcessor();
        }
        Element devices = only(domain, "devices");
        changeDisks(devices);
        for (Element device : children(devices)) {
            changeDevice(devices, device);
        }
    }

    /** Without a UUID of its own a domain takes that of its BIOS, which would be the old one's. */
    private void forgetUuidOfBios() {
        for (Element sysinfo : children(domain, "sysinfo")) {
            for (Element system : children(sysinfo, "system")) {
                for (Element entry : children(system, "entry")) {
                    if (entry.getAttribute("name").equals("uuid")) {
                        system.removeChild(entry);
                    }
                }
            }
        }
    }

    private void changeNvram() {
        List<Element> all = children(domain, "os");
        if (all.isEmpty()) {
            return;
        }
        Element os = all.get(0);
        List<Element> old = children(os, "nvram");
        if (parts.nvram() != null) {
            Element nvram = document.createElementNS(null, "nvram");
            // What the file holds is of the old one's format; a template would be copied over it when it is lost.
            if (!old.isEmpty() && old.get(0).hasAttribute("format")) {
                nvram.setAttribute("format", old.get(0).getAttribute("format"));
            }
            nvram.setTextContent(parts.nvram().toString());
            old.forEach(os::removeChild);
            os.appendChild(nvram);
            return;
        }
        for (Element nvram : old) {
            // The file is the old domain's. Without its path libvirt makes one out of the template.
            if (nvram.hasAttribute("template")) {
                nvram.removeAttribute("type");
                nvram.setTextContent("");
            } else {
                os.removeChild(nvram);
            }
        }
    }

    /** A label that only one domain may have is drawn by libvirt, unless labels were renounced on purpose. */
    private void changeSecurityLabels() {
        for (Element label : children(domain, "seclabel")) {
            switch (label.getAttribute("type")) {
                case "none" -> {}
                case "dynamic" -> {
                    removeChildren(label, "label");
                    removeChildren(label, "imagelabel");
                }
                default -> domain.removeChild(label);
            }
        }
    }

    /** The processor of the host can be handed through only to what runs on it. */
    private void emulateProcessor() {
        for (Element cpu : children(domain, "cpu")) {
            if (cpu.getAttribute("mode").equals("host-passthrough")) {
                cpu.setAttribute("mode", "maximum");
                cpu.removeAttribute("migratable");
            }
        }
    }

    // ---- disks

    private void changeDisks(Element devices) {
        Set<String> targets = new HashSet<>();
        Map<DiskId, Path> missing = new TreeMap<>(parts.disks());
        @Nullable Node last = null;
        for (Element disk : children(devices, "disk")) {
            String target = targetOf(disk);
            String device = disk.getAttribute("device");
            if (device.equals("cdrom") || device.equals("floppy")) {
                eject(disk);
            } else {
                Path file = isDiskId(target) ? missing.remove(new DiskId(target)) : null;
                if (file == null) {
                    devices.removeChild(disk);
                    continue;
                }
                changeDisk(disk, file);
            }
            targets.add(target);
            last = disk;
        }
        // A disk that was plugged into the running domain is not in the definition for its next start.
        Set<DiskId> named = new HashSet<>();
        for (DiskId disk : missing.keySet()) {
            if (ADDED_TARGET.matcher(disk.value()).matches() && targets.add(disk.value())) {
                named.add(disk);
            }
        }
        Node before = last == null ? devices.getFirstChild() : last.getNextSibling();
        for (Map.Entry<DiskId, Path> disk : missing.entrySet()) {
            String target = named.contains(disk.getKey()) ? disk.getKey().value() : nextTarget(targets);
            targets.add(target);
            devices.insertBefore(newDisk(target, disk.getValue()), before);
        }
    }

    private static String nextTarget(Set<String> taken) {
        for (int index = 0; ; index++) {
            String target = "vd" + letters(index);
            if (!taken.contains(target)) {
                return target;
            }
        }
    }

    private static String letters(int index) {
        String last = String.valueOf((char) ('a' + index % 26));
        return index < 26 ? last : letters(index / 26 - 1) + last;
    }

    private static boolean isDiskId(String target) {
        try {
            return !new DiskId(target).value().isEmpty();
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    private Element newDisk(String target, Path file) {
        Element disk = document.createElementNS(null, "disk");
        disk.setAttribute("device", "disk");
        Element place = append(disk, "target");
        place.setAttribute("dev", target);
        // Every chipset that has none gets a SATA controller by libvirt, and every firmware boots from it.
        place.setAttribute("bus", target.startsWith("v") ? "virtio" : "sata");
        changeDisk(disk, file);
        return disk;
    }

    private void changeDisk(Element disk, Path file) {
        disk.setAttribute("type", "file");
        if (disk.getAttribute("device").equals("lun")) {
            // A file takes no SCSI commands.
            disk.setAttribute("device", "disk");
        }
        disk.removeAttribute("rawio");
        disk.removeAttribute("sgio");
        Element driver = children(disk, "driver").stream().findFirst().orElse(null);
        if (driver == null) {
            driver = document.createElementNS(null, "driver");
            disk.insertBefore(driver, disk.getFirstChild());
        }
        driver.setAttribute("name", "qemu");
        driver.setAttribute("type", parts.format());
        if (!parts.format().equals("qcow2")) {
            removeChildren(driver, "metadata_cache");
            driver.removeAttribute("discard_no_unref");
        }
        Element source = document.createElementNS(null, "source");
        source.setAttribute("file", file.toString());
        // A file of its own is shared with nobody; QCOW2 can not be shared at all.
        for (String gone : List.of("source", "backingStore", "mirror", "auth", "encryption", "shareable")) {
            removeChildren(disk, gone);
        }
        disk.insertBefore(source, driver.getNextSibling());
    }

    private static void eject(Element drive) {
        drive.setAttribute("type", "file");
        for (String gone : List.of("source", "backingStore", "mirror", "auth", "encryption")) {
            removeChildren(drive, gone);
        }
        children(drive, "target").forEach(target -> target.removeAttribute("tray"));
    }

    private static String targetOf(Element disk) {
        return children(disk, "target").stream()
                .findFirst()
                .map(target -> target.getAttribute("dev"))
                .orElse("");
    }

    // ---- other devices

    private void changeDevice(Element devices, Element device) {
        for (Element alias : children(device, "alias")) {
            // What a person named is kept, as other parts of the definition may name it.
            if (!alias.getAttribute("name").startsWith("ua-")) {
                device.removeChild(alias);
            }
        }
        switch (device.getLocalName()) {
            case "interface" -> changeInterface(device);
            case "serial", "parallel", "console", "channel" -> changeCharacterDevice(device);
            case "graphics" -> changeGraphics(device);
            case "vsock" ->
                children(device, "cid").forEach(cid -> {
                    cid.setAttribute("auto", "yes");
                    cid.removeAttribute("address");
                });
            case "memory" -> {
                // Memory that lasts is a file with data of the old domain, and no part of what was backed up.
                if (Set.of("nvdimm", "virtio-pmem").contains(device.getAttribute("model"))) {
                    devices.removeChild(device);
                }
            }
            case "emulator" -> {
                // Other systems have it elsewhere; without it libvirt takes its own.
                if (!parts.isProgram().test(device.getTextContent().strip())) {
                    devices.removeChild(device);
                }
            }
            default -> {}
        }
    }

    private static void changeInterface(Element device) {
        removeChildren(device, "mac");
        for (Element target : children(device, "target")) {
            // Two domains can not have one tap device, unless somebody else made it and hands it over.
            if (!target.getAttribute("managed").equals("no")) {
                device.removeChild(target);
            }
        }
        children(device, "source").forEach(source -> source.removeAttribute("portid"));
        children(device, "backend").forEach(backend -> backend.removeAttribute("logFile"));
        for (Element port : children(device, "virtualport")) {
            // Midonet is the only one that does not have libvirt draw its ids.
            if (!port.getAttribute("type").equals("midonet")) {
                for (Element parameters : children(port, "parameters")) {
                    parameters.removeAttribute("interfaceid");
                    parameters.removeAttribute("instanceid");
                }
            }
        }
    }

    /**
     * What one domain alone can listen on or write to becomes a pseudo terminal, which anybody can open; a socket that
     * libvirt knows how to place, such as the guest agent's, is placed by libvirt.
     */
    private static void changeCharacterDevice(Element device) {
        removeChildren(device, "log");
        device.removeAttribute("tty");
        String type = device.getAttribute("type");
        boolean binds = children(device, "source").stream()
                .anyMatch(source -> source.getAttribute("mode").equals("bind"));
        boolean placed = device.getLocalName().equals("channel")
                && children(device, "target").stream()
                        .anyMatch(target -> target.getAttribute("type").equals("virtio"));
        switch (type) {
            case "unix" -> {
                if (binds && placed) {
                    removeChildren(device, "source");
                } else if (binds) {
                    becomeTerminal(device);
                }
            }
            case "tcp" -> {
                if (binds) {
                    becomeTerminal(device);
                }
            }
            case "file", "pipe", "pty" -> becomeTerminal(device);
            default -> {}
        }
    }

    private static void becomeTerminal(Element device) {
        device.setAttribute("type", "pty");
        removeChildren(device, "source");
        removeChildren(device, "protocol");
    }

    private void changeGraphics(Element graphics) {
        List<Element> listens = children(graphics, "listen");
        if (graphics.hasAttribute("socket") && listens.isEmpty()) {
            append(graphics, "listen").setAttribute("type", "socket");
        }
        graphics.removeAttribute("socket");
        listens.forEach(listen -> listen.removeAttribute("socket"));
        for (String port : List.of("port", "tlsPort", "websocket")) {
            if (graphics.hasAttribute(port)) {
                // Each by itself, as to ask for automatic ports in general would open those that were closed.
                graphics.setAttribute(port, "-1");
            }
        }
        if (graphics.hasAttribute("port") && !graphics.getAttribute("type").equals("spice")) {
            graphics.setAttribute("autoport", "yes");
        }
        if (graphics.hasAttribute("passwd")) {
            // libvirt told asterisks in its place, which everybody knows: nobody gets in before somebody sets a new
            // one.
            graphics.setAttribute("passwdValidTo", EXPIRED);
        }
    }

    // ---- the document

    private static Document parse(String text) {
        Document document;
        try {
            DocumentBuilderFactory factory = DocumentBuilderFactory.newDefaultInstance();
            factory.setFeature(XMLConstants.FEATURE_SECURE_PROCESSING, true);
            factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
            factory.setAttribute("jdk.xml.maxElementDepth", Integer.toString(DEEPEST));
            factory.setXIncludeAware(false);
            factory.setExpandEntityReferences(false);
            factory.setNamespaceAware(true);
            DocumentBuilder builder = factory.newDocumentBuilder();
            builder.setErrorHandler(new Silent());
            document = builder.parse(new InputSource(new StringReader(text)));
        } catch (SAXException | IOException e) {
            throw unusable("it can not be read: " + e.getMessage(), e);
        } catch (ParserConfigurationException e) {
            throw new IllegalStateException(e);
        }
        Element domain = document.getDocumentElement();
        if (domain.getNamespaceURI() != null || !domain.getLocalName().equals("domain")) {
            throw unusable("it is a <" + domain.getTagName() + ">", null);
        }
        String type = domain.getAttribute("type");
        if (!type.equals("kvm") && !type.equals("qemu")) {
            throw unusable("its type is '" + type + "', neither kvm nor qemu", null);
        }
        only(domain, "name");
        only(domain, "devices");
        return document;
    }

    private String print() {
        try {
            TransformerFactory factory = TransformerFactory.newDefaultInstance();
            factory.setFeature(XMLConstants.FEATURE_SECURE_PROCESSING, true);
            Transformer transformer = factory.newTransformer();
            transformer.setOutputProperty(OutputKeys.OMIT_XML_DECLARATION, "yes");
            StringWriter text = new StringWriter();
            transformer.transform(new DOMSource(document), new StreamResult(text));
            return text.toString();
        } catch (TransformerException e) {
            throw new IllegalStateException(e);
        }
    }

    private static GenieVmException unusable(String reason, @Nullable Exception cause) {
        return new GenieVmException(
                ErrorCode.IO_ERROR,
                Resource.named(Hardware.DOMAIN_XML),
                Hardware.DOMAIN_XML + " of the restore point is no definition of a domain: " + reason,
                cause);
    }

    private static Element only(Element parent, String name) {
        List<Element> found = children(parent, name);
        if (found.size() != 1) {
            throw unusable("<" + name + "> is there " + found.size() + " times", null);
        }
        return found.get(0);
    }

    /** Of no namespace: what is of QEMU's is left alone. */
    private static List<Element> children(Element parent) {
        List<Element> children = new ArrayList<>();
        for (Node node = parent.getFirstChild(); node != null; node = node.getNextSibling()) {
            if (node instanceof Element element && element.getNamespaceURI() == null) {
                children.add(element);
            }
        }
        return children;
    }

    private static List<Element> children(Element parent, String name) {
        return children(parent).stream()
                .filter(child -> child.getLocalName().equals(name))
                .toList();
    }

    private static void removeChildren(Element parent, String name) {
        children(parent, name).forEach(parent::removeChild);
    }

    private Element append(Element parent, String name) {
        Element child = document.createElementNS(null, name);
        parent.appendChild(child);
        return child;
    }

    /** The parser's own writes to standard error. */
    private static final class Silent implements ErrorHandler {
        @Override
        public void warning(SAXParseException exception) {}

        @Override
        public void error(SAXParseException exception) throws SAXException {
            throw exception;
        }

        @Override
        public void fatalError(SAXParseException exception) throws SAXException {
            throw exception;
        }
    }
}
