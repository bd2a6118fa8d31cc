/*
 * Where the tests over the fake descriptor play: a loop, sockets on it, and the story: a word for
 * each thing that the library told, in order.
 */
#ifndef TESTS_FAKE_SCENE_H
#define TESTS_FAKE_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake/fake_udp.h"

extern uv_loop_t scene_loop;

/* Every test stands between these: at the end what is open is closed, and then the loop. */
int scene_begin(void **state);
int scene_end(void **state);
#define SCENE(test) cmocka_unit_test_setup_teardown(test, scene_begin, scene_end)

/* A socket over the fake, with a listener of each event; not bound, or bound. */
dgram_socket_t *scene_unbound_socket(void);
dgram_socket_t *scene_socket(void);

/* A socket of the system's on 127.0.0.1; its address in `address`. */
int scene_system_socket(union dgram__address *address);

/* Sends the number as text to 127.0.0.1, port 1000 + number. In the story: "7" or "7:ECODE". */
void scene_send(dgram_socket_t *socket, int number);
void scene_send_all(dgram_socket_t *socket, int first, int last);
/* The same without a callback: an error is in the story as "error(MESSAGE)". */
void scene_send_silently(dgram_socket_t *socket, int number);

/* Called with each send's number after its word; NULL: nothing. */
extern void (*scene_on_sent)(dgram_socket_t *socket, int number);

/* Called with the number of messages before it, after the word "(BYTES)"; NULL: nothing. */
extern void (*scene_on_message)(dgram_socket_t *socket, int number);

/* Called after the word "error(MESSAGE)"; NULL: nothing. */
extern void (*scene_on_error)(dgram_socket_t *socket);

/* Closes; "close" in the story. */
void scene_close(dgram_socket_t *socket);

/* Runs the loop for a few turns, in which all happens that need not wait. */
void scene_run(void);

/* The words since this was last called, parted by spaces. */
const char *scene_story(void);

/* The numbers of a range, as a story of them reads: "3 4 5". */
const char *scene_numbers(int first, int last);

#endif
