/**
 * What a place implements so that repositories can be kept there: five operations on write-once objects.
 *
 * <h2>Rules for every store</h2>
 *
 * <ol>
 *   <li>An object is written once, whole or not at all, and never changes: whoever sees it sees all of it.
 *   <li>{@link io.genievm.api.store.BlobStore#put} is exclusive: of any number of puts of one key, from any number of
 *       machines, one creates the object and all others are told that it exists, for as long as it exists.
 *   <li>When put answers, whether it created the object or found it there, the object is durable; when delete answers, it is
 *       gone for good: both survive a crash of this machine, and of the store's.
 *   <li>Strong consistency: a put or delete that has answered is seen by every get, list and stat that begins later,
 *       from any machine. A store that can lag behind says by how much in
 *       {@link io.genievm.api.store.BlobStore#listingLag()}.
 *   <li>A call that throws may have had its effect, wholly or not at all, or have it later. Only {@link io.genievm.api.ErrorCode}s marked
 *       retryable are tried again, by the core, never by the store or a client library below it.
 *   <li>All methods may be called by any number of threads at a time, with any keys. {@code close()} may be called
 *       concurrently and more than once; calls under way then fail with {@link io.genievm.api.ErrorCode#CLOSED}.
 *   <li>The core never uses both {@code p} and {@code p/q} as keys.
 * </ol>
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
