/**
 * What a place implements so that repositories can be kept there: five operations on write-once objects.
 *
 * <p>The rules bear numbers, which never change their meaning; the tests of the contract in the testkit
 * ({@code BlobStoreContract}) begin with the numbers of the rules that they check. What no test checks says so, with the
 * reason.
 *
 * <h2>Rules for every store</h2>
 *
 * <ul>
 *   <li><b>S1</b> An object is written once, whole or not at all, and never changes: whoever sees it sees all of it.
 *   <li><b>S2</b> {@link io.genievm.api.store.BlobStore#put} is exclusive: of any number of puts of one key, from any number of
 *       machines, one creates the object and all others are told that it exists, for as long as it exists.
 *   <li><b>S3</b> When put answers, whether it created the object or found it there, the object is durable; when delete answers, it is
 *       gone for good: both survive a crash of this machine, and of the store's.
 *   <li><b>S4</b> Strong consistency: a put or delete that has answered is seen by every get, list and stat that begins later,
 *       from any machine. A store that can lag behind says by how much in
 *       {@link io.genievm.api.store.BlobStore#listingLag()}.
 *   <li><b>S5</b> A call that throws may have had its effect, wholly or not at all, or have it later. Only {@link io.genievm.api.ErrorCode}s marked
 *       retryable are tried again, by the core, never by the store or a client library below it. <i>Untested: the failures of what a store is made of are for its own
 *       tests to provoke.</i>
 *   <li><b>S6</b> All methods may be called by any number of threads at a time, with any keys. {@code close()} may be called
 *       concurrently and more than once; calls under way then fail with {@link io.genievm.api.ErrorCode#CLOSED}.
 *   <li><b>S7</b> The core never uses both {@code p} and {@code p/q} as keys. <i>Untested: it is a promise to stores.</i>
 *   <li><b>S8</b> There may be any number of objects, and objects of any length up to some hundred MiB; one that is larger
 *       than a store can take is {@code LIMIT_EXCEEDED}.
 * </ul>
 *
 * <h2>What the methods promise</h2>
 *
 * <p>The details stand with the methods.
 *
 * <ul>
 *   <li><b>S11</b> {@link io.genievm.api.store.BlobStoreProvider#name()} and
 *       {@link io.genievm.api.store.BlobStoreProvider#schemes()} have the form that they give.
 *   <li><b>S12</b> An option that a store does not know is refused by name, with {@code INVALID_ARGUMENT}.
 *   <li><b>S13</b> A created store is empty and can be opened again.
 *   <li><b>S14</b> A place that holds an object is not created again, but {@code ALREADY_EXISTS}, and keeps it.
 *   <li><b>S15</b> Opening changes nothing, and a place that does not exist is {@code NOT_FOUND}. <i>Untested: what a place
 *       is before its creation, only the store knows.</i>
 *   <li><b>S21</b> {@link io.genievm.api.store.BlobStore#get} gives any range into any part of any buffer, and touches no
 *       other byte of it.
 *   <li><b>S22</b> A range that goes past the end is {@code CORRUPT_DATA}, wherever it begins.
 *   <li><b>S23</b> With nothing remaining nothing is read.
 *   <li><b>S24</b> An object that is not there is {@code NOT_FOUND}.
 *   <li><b>S25</b> {@link io.genievm.api.store.BlobStore#getAll} of more than is accepted is {@code CORRUPT_DATA}.
 *   <li><b>S26</b> Content of another length than it says, or that fails, leaves nothing.
 *   <li><b>S31</b> {@link io.genievm.api.store.BlobStore#list} gives whole keys in ascending order of their bytes, with the
 *       lengths.
 *   <li><b>S32</b> A listing is whole, however many pages a store makes of it, or throws. When a page can not be fetched or a
 *       place is not mounted it never just ends, and never says that there is nothing: the core notices some wrong
 *       listings, which are {@link io.genievm.api.ErrorCode#STORE_CONTRACT_BROKEN}, and must believe others.
 *   <li><b>S33</b> A prefix takes what begins with it and nothing else.
 *   <li><b>S34</b> What is not touched meanwhile is in a listing exactly once; listings do not disturb each other.
 *   <li><b>S35</b> A cursor stands on an object only after {@code next()} was true, and closes twice.
 *   <li><b>S36</b> {@link io.genievm.api.store.BlobStore#stat} tells nothing of what is no object.
 *   <li><b>S37</b> {@link io.genievm.api.store.BlobStore#delete} removes one object, and does nothing when there is none.
 *   <li><b>S41</b> Every text of the form that is given below is a key.
 *   <li><b>S42</b> Every other text is an {@link IllegalArgumentException}.
 * </ul>
 *
 * <p>Keys are 1 to 200 characters: parts joined by {@code '/'}, each part of {@code a-z}, {@code 0-9}, {@code '.'},
 * {@code '_'} and {@code '-'}, not beginning with {@code '.'}. They are compared byte by byte.
 * {@link io.genievm.api.store.BlobKeys} checks them.
 *
 * @since 0.1
 */
@NullMarked
package io.genievm.api.store;

import org.jspecify.annotations.NullMarked;
