package io.genievm.kvm.internal.libvirt;

import com.sun.jna.Library;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import org.jspecify.annotations.Nullable;

/**
 * The functions of {@code libvirt.so.0} that work on an open connection. libvirt-java has most of them too, but converts
 * text by the platform's charset, which under the locale {@code C} garbles names and paths that are not ASCII, frees
 * objects in finalizers, and takes every error number that it does not know for the last that it knows.
 *
 * <p>What returns a {@link Pointer} returns {@code null} for a failure, the others a negative number.
 */
interface LibvirtFunctions extends Library {
    /** {@code VIR_DOMAIN_XML_INACTIVE}. */
    int XML_INACTIVE = 2;

    /** {@code VIR_DOMAIN_UNDEFINE_KEEP_NVRAM}. */
    int UNDEFINE_KEEP_NVRAM = 8;

    /** {@code VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA}. */
    int UNDEFINE_CHECKPOINTS_METADATA = 16;

    /** {@code VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE}. */
    int CHECKPOINT_REDEFINE = 1;

    /** {@code VIR_DOMAIN_CHECKPOINT_XML_NO_DOMAIN}. */
    int CHECKPOINT_XML_NO_DOMAIN = 2;

    /** {@code VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY}. */
    int CHECKPOINT_DELETE_METADATA_ONLY = 2;

    int virGetVersion(LongByReference version, @Nullable String type, @Nullable LongByReference typeVersion);

    @Nullable
    Pointer virGetLastError();

    int virConnectIsAlive(Pointer connect);

    int virConnectGetLibVersion(Pointer connect, LongByReference version);

    @Nullable
    Pointer virConnectGetCapabilities(Pointer connect);

    int virConnectListAllDomains(Pointer connect, PointerByReference domains, int flags);

    @Nullable
    Pointer virDomainLookupByUUIDString(Pointer connect, String uuid);

    @Nullable
    Pointer virDomainLookupByName(Pointer connect, String name);

    @Nullable
    Pointer virDomainDefineXMLFlags(Pointer connect, String xml, int flags);

    int virDomainFree(Pointer domain);

    @Nullable
    String virDomainGetName(Pointer domain);

    int virDomainGetUUIDString(Pointer domain, byte[] uuid);

    int virDomainGetState(Pointer domain, IntByReference state, IntByReference reason, int flags);

    int virDomainIsActive(Pointer domain);

    int virDomainIsPersistent(Pointer domain);

    int virDomainHasManagedSaveImage(Pointer domain, int flags);

    @Nullable
    Pointer virDomainGetXMLDesc(Pointer domain, int flags);

    /** Fills in capacity, allocation and physical size, 64 bits each. */
    int virDomainGetBlockInfo(Pointer domain, String disk, Pointer info, int flags);

    int virDomainBackupBegin(Pointer domain, String backup, @Nullable String checkpoint, int flags);

    @Nullable
    Pointer virDomainBackupGetXMLDesc(Pointer domain, int flags);

    int virDomainGetJobStats(
            Pointer domain, IntByReference type, PointerByReference parameters, IntByReference count, int flags);

    void virTypedParamsFree(Pointer parameters, int count);

    int virDomainAbortJob(Pointer domain);

    int virDomainResume(Pointer domain);

    int virDomainListAllCheckpoints(Pointer domain, PointerByReference checkpoints, int flags);

    @Nullable
    Pointer virDomainCheckpointLookupByName(Pointer domain, String name, int flags);

    @Nullable
    Pointer virDomainCheckpointCreateXML(Pointer domain, String xml, int flags);

    @Nullable
    Pointer virDomainCheckpointGetXMLDesc(Pointer checkpoint, int flags);

    int virDomainCheckpointDelete(Pointer checkpoint, int flags);

    int virDomainCheckpointFree(Pointer checkpoint);

    int virDomainFSFreeze(Pointer domain, @Nullable Pointer mountPoints, int count, int flags);

    int virDomainFSThaw(Pointer domain, @Nullable Pointer mountPoints, int count, int flags);

    int virDomainUndefineFlags(Pointer domain, int flags);
}
