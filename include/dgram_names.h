/**
 * @file dgram_names.h
 * A cache of host names for the sockets of a loop.
 *
 * The system's resolver may query a name server for each send to a name. With the cache on, a name
 * that was found is not looked up again for some time, and a name that several sends or connects
 * wait for is looked up once. The rules of dgram.h apply here too.
 */
#ifndef DGRAM_NAMES_H
#define DGRAM_NAMES_H

#include <dgram.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Switches the cache of a loop on, or off. By default it is off.
 *
 * It is used for the names of sends and connects, of all sockets of the loop; not for binds, which
 * concern the addresses of this host, and not by sockets with a `lookup` of the program. Only names
 * that were found are kept: after a failure the next send looks up again. A name is compared byte
 * by byte, and for each family by itself. getaddrinfo(3) does not return how long an answer is
 * valid (the TTL of RFC 1035), so the time is the program's choice.
 *
 * A send to a name that is known is not deferred for a look-up: it keeps its place among the sends
 * to addresses. Without memory for a name it is looked up as without the cache.
 *
 * While it is on, the library keeps its handles on the loop, also without a socket; they do not
 * keep the loop alive. So switch it off, and run the loop, before uv_loop_close().
 *
 * @param loop        the loop; it need not have a socket yet
 * @param max_entries names that are kept at most; if there are more, the least recently used one is
 *                    dropped. 0: the cache is off. A call while it is on empties it
 * @param ttl_ms      how long a name is kept after it was found, in milliseconds of uv_now(); at
 *                    least 1 unless `max_entries` is 0
 * @retval 0
 * @retval UV_EINVAL `loop` is NULL, or `ttl_ms` is 0 and `max_entries` is not
 * @retval UV_ENOMEM no memory; if the cache was on, it is as before
 */
DGRAM_EXTERN int dgram_set_name_cache(uv_loop_t *loop, size_t max_entries, unsigned ttl_ms);

/**
 * Forgets all names: the next send to each looks it up. Look-ups under way still end for those who
 * wait for them, and their answers are not kept.
 * @param loop the loop; NULL, or without a cache: no effect
 */
DGRAM_EXTERN void dgram_clear_name_cache(uv_loop_t *loop);

#ifdef __cplusplus
}
#endif

#endif
