/* Facts about received datagrams, in the trace of a test; and system sockets that send such. */
#ifndef TESTS_LIB_INFO_H
#define TESTS_LIB_INFO_H

#include "lib/fixture.h"

/* An address as text, valid for three calls more; NULL as "-". */
const char *text_of(const struct sockaddr *sockaddr);

/*
 * Traces the datagram's text and the facts about it that are known, but the times: "hello
 * to:DESTINATION,OWN by:INTERFACE ttl:64 dscp:0 ecn:0 whole", and "nothing" where nothing was asked
 * for. Others are set apart by "|".
 */
void trace_info(const char *message, const dgram_rinfo_t *rinfo);

void set_int(int fd, int level, int name, int value);

/* A system socket that sends with this TTL and traffic class; of IPv4 it is bound. */
int raw_marked(int family, int ttl, int tos);

/* Sends a text to a numeric address. */
void raw_send_to(int fd, const char *text, const char *address, int port);

#endif
