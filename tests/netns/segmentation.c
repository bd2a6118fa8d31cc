/*
 * Many datagrams of one size, which may leave as one segmented send: whatever the devices can and
 * however narrow the way is, all arrive, in order, byte for byte.
 */
#include "lib/packets.h"

#include <sys/utsname.h>

enum {
  ROUND = 40, /* sends of one turn; a receive buffer of the usual size takes them */
  ROUNDS = 6,
  MOST = 2000 /* bytes of one */
};

/* ---- the datagrams ---- */

/* How large each datagram of a stream is: its size, but every few one is the last of a run. */
struct stream {
  int size;
  int last; /* the size of the last one of a run */
  int run;  /* datagrams; 1: all are `size` long */
  int sent;
  int done;
  int arrived;
  char *bytes; /* of the round's datagrams, one after the other */
};

static size_t size_of(const struct stream *stream, int number) {
  int is_last = number % stream->run == stream->run - 1;
  return (size_t)(is_last && stream->run > 1 ? stream->last : stream->size);
}

static void fill(char *bytes, size_t size, int number) {
  for (size_t i = 0; i < size; i++)
    bytes[i] = (char)(number * 31 + (int)(i * 7 + i / 251));
}

/* A listener: the next one must come, whole. */
static void compare(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                    void *context) {
  struct stream *stream = context;
  char expected[MOST];
  size_t size = size_of(stream, stream->arrived);
  if (rinfo->size != size)
    fail_msg("datagram %d has %zu bytes, not %zu", stream->arrived, rinfo->size, size);
  fill(expected, size, stream->arrived);
  if (memcmp(message, expected, size) != 0)
    fail_msg("datagram %d has other bytes", stream->arrived);
  stream->arrived++;
}

/* Sends the datagrams of some rounds; each round leaves in one turn, and arrives before the next.
 */
static void send_rounds(dgram_socket_t *socket, struct stream *stream, const char *to) {
  for (int i = 0; i < ROUNDS; i++) {
    char *at = stream->bytes;
    for (int j = 0; j < ROUND; j++) {
      size_t size = size_of(stream, stream->sent);
      fill(at, size, stream->sent++);
      assert_int_equal(dgram_send(socket, at, size, PORT, to, count_sent, &stream->done), 0);
      at += size;
    }
    run_hosts_until(&stream->arrived, stream->sent);
    run_hosts_until(&stream->done, stream->sent);
  }
}

/* ---- the scene: left sends to middle, or over it to right ---- */

struct scene {
  struct stream stream;
  dgram_socket_t *speaker;
  dgram_socket_t *listener;
  struct host *hearer;
  const char *to;
  int wire; /* of the host that hears */
};

static void open_scene(struct scene *scene, dgram_type_t type, struct host *hearer, int gso) {
  dgram_options_t options = dgram_default_options(type);
  options.disable_gso = !gso;
  *scene = (struct scene){.stream = {.size = 1200, .last = 300, .run = 10}, .hearer = hearer};
  scene->stream.bytes = malloc((size_t)ROUND * MOST);
  assert_non_null(scene->stream.bytes);
  open_hosts();
  forward();
  enter(hearer);
  scene->wire = tap("eth0");
  if (type == DGRAM_UDP4)
    scene->to = hearer == middle ? "10.0.1.1" : "10.0.2.2";
  else
    scene->to = hearer == middle ? "fd00:1::1" : "fd00:2::2";
  scene->listener = bind_on(hearer, type, NULL);
  assert_int_equal(dgram_off_message(scene->listener, hear, hearer), 0);
  assert_int_equal(dgram_on_message(scene->listener, compare, &scene->stream), 0);
  enter(left);
  assert_int_equal(dgram_create_socket_options(left->loop, &options, NULL, NULL, &scene->speaker),
                   0);
}

static void close_scene(const struct scene *scene) {
  close_socket(scene->speaker);
  close_socket(scene->listener);
  close(scene->wire);
  free(scene->stream.bytes);
  close_hosts();
}

static void all_arrive(struct scene *scene) {
  send_rounds(scene->speaker, &scene->stream, scene->to);
}

enum { ONE_BY_ONE = 1500, MANY_IN_ONE = 65535 }; /* bytes of the largest packet */

static size_t largest_packet(int wire) {
  struct packet packet;
  size_t largest = 0;
  while (take_packet(wire, &packet))
    if (packet.size > largest)
      largest = packet.size;
  return largest;
}

/* ---- what the devices can ---- */

/* Whether the library segments here at all: not where it is switched off, nor on kernels that do it
 * wrong. */
static int is_segmenting(void) {
  const char *gso = getenv("DGRAM_GSO");
  struct utsname kernel;
  assert_int_equal(uname(&kernel), 0);
  return (gso == NULL || strcmp(gso, "0") != 0) && strncmp(kernel.release, "7.0", 3) != 0 &&
         strncmp(kernel.release, "7.1", 3) != 0;
}

/* A virtual link hands segmented sends over as they are: so it shows that there are any. */
static void segmented_sends_cross_the_link(void **state) {
  for (int i = 0; i < 2; i++) {
    struct scene scene;
    open_scene(&scene, i == 0 ? DGRAM_UDP4 : DGRAM_UDP6, middle, 1);
    all_arrive(&scene);
    size_t largest = largest_packet(scene.wire);
    if (is_segmenting())
      assert_in_range(largest, 5 * 1200, MANY_IN_ONE);
    else
      assert_in_range(largest, 1200, ONE_BY_ONE);
    close_scene(&scene);
  }
}

static void the_option_turns_them_off(void **state) {
  struct scene scene;
  open_scene(&scene, DGRAM_UDP4, middle, 0);
  all_arrive(&scene);
  assert_in_range(largest_packet(scene.wire), 1200, ONE_BY_ONE);
  close_scene(&scene);
}

/* Sets features of left's device, and of middle's where datagrams come in; see ethtool(8). */
static void all_arrive_with(const char *of_left, const char *of_middle, size_t most) {
  skip_without_command("ethtool");
  for (int i = 0; i < 2; i++) {
    struct scene scene;
    open_scene(&scene, i == 0 ? DGRAM_UDP4 : DGRAM_UDP6, middle, 1);
    sh("ethtool -K eth0 %s >/dev/null", of_left);
    enter(middle);
    sh("ethtool -K eth0 %s >/dev/null", of_middle);
    all_arrive(&scene);
    assert_in_range(largest_packet(scene.wire), 1200, most);
    close_scene(&scene);
  }
}

static void without_udp_segmentation_in_the_device(void **state) {
  all_arrive_with("tx-udp-segmentation off", "gro off", ONE_BY_ONE);
}

static void without_any_segmentation(void **state) {
  all_arrive_with("tx-udp-segmentation off gso off", "gro off", ONE_BY_ONE);
}

static void without_checksums_in_the_device(void **state) {
  all_arrive_with("tx off", "rx off", ONE_BY_ONE);
}

static void without_scattered_buffers(void **state) {
  all_arrive_with("sg off", "gro off", MANY_IN_ONE);
}

static void with_merging_at_the_receiver(void **state) {
  all_arrive_with("tx-udp-segmentation off", "gro on", MANY_IN_ONE);
}

static void with_merging_at_the_receiver_in_lists(void **state) {
  all_arrive_with("tx-udp-segmentation off", "gro on rx-gro-list on", MANY_IN_ONE);
}

/* ---- how narrow the way is ---- */

/* A segment over the MTU is refused, though the datagram by itself may leave in fragments. */
static void over_a_link_narrower_than_the_segments(dgram_type_t type) {
  struct scene scene;
  open_scene(&scene, type, middle, 1);
  sh("ip link set eth0 mtu 1300");
  scene.stream.size = 1400;
  all_arrive(&scene);
  scene.stream.last = 1399; /* nearly as large */
  all_arrive(&scene);
  scene.stream.run = 1; /* all of one size */
  all_arrive(&scene);
  scene.stream.size = 1000; /* and now there is no reason any more not to segment */
  largest_packet(scene.wire);
  all_arrive(&scene);
  if (is_segmenting())
    assert_in_range(largest_packet(scene.wire), 5 * 1000, MANY_IN_ONE);
  close_scene(&scene);
}

static void over_a_link_narrower_than_the_segments_by_ipv4(void **state) {
  over_a_link_narrower_than_the_segments(DGRAM_UDP4);
}

static void over_a_link_narrower_than_the_segments_by_ipv6(void **state) {
  over_a_link_narrower_than_the_segments(DGRAM_UDP6);
}

static void over_a_link_far_narrower_than_the_segments(void **state) {
  struct scene scene;
  open_scene(&scene, DGRAM_UDP4, middle, 1);
  scene.stream.size = MOST;
  scene.stream.last = 100;
  all_arrive(&scene);
  close_scene(&scene);
}

static void over_a_link_that_becomes_narrower_and_wider(void **state) {
  struct scene scene;
  open_scene(&scene, DGRAM_UDP4, middle, 1);
  all_arrive(&scene);
  sh("ip link set eth0 mtu 1000");
  all_arrive(&scene);
  sh("ip link set eth0 mtu 600");
  all_arrive(&scene);
  sh("ip link set eth0 mtu 1500");
  all_arrive(&scene);
  close_scene(&scene);
}

/* The narrow link is behind a router, so the system learns of it by an answer to a lost datagram.
 */
static void over_a_way_that_is_known_to_be_narrower(dgram_type_t type) {
  struct scene scene;
  open_scene(&scene, type, right, 1);
  enter(middle);
  sh("ip link set eth1 mtu 1300");
  enter(left);
  int wire = tap("eth0");
  static const char probe[1400];
  int sent = 0;
  assert_int_equal(
      dgram_send(scene.speaker, probe, sizeof probe, PORT, scene.to, count_sent, &sent), 0);
  run_hosts_until(&sent, 1);
  wait_for_too_big(wire);
  scene.stream.size = 1400;
  all_arrive(&scene);
  close(wire);
  close_scene(&scene);
}

static void over_a_way_that_is_known_to_be_narrower_by_ipv4(void **state) {
  over_a_way_that_is_known_to_be_narrower(DGRAM_UDP4);
}

static void over_a_way_that_is_known_to_be_narrower_by_ipv6(void **state) {
  over_a_way_that_is_known_to_be_narrower(DGRAM_UDP6);
}

static void over_ipv4_from_an_ipv6_socket(void **state) {
  struct scene scene;
  open_scene(&scene, DGRAM_UDP6, middle, 1);
  scene.to = "::ffff:10.0.1.1";
  all_arrive(&scene);
  sh("ip link set eth0 mtu 1300");
  scene.stream.size = 1400;
  all_arrive(&scene);
  close_scene(&scene);
}

static void over_a_router(void **state) {
  struct scene scene;
  open_scene(&scene, DGRAM_UDP4, right, 1);
  all_arrive(&scene);
  close_scene(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(segmented_sends_cross_the_link),
      cmocka_unit_test(the_option_turns_them_off),
      cmocka_unit_test(without_udp_segmentation_in_the_device),
      cmocka_unit_test(without_any_segmentation),
      cmocka_unit_test(without_checksums_in_the_device),
      cmocka_unit_test(without_scattered_buffers),
      cmocka_unit_test(with_merging_at_the_receiver),
      cmocka_unit_test(with_merging_at_the_receiver_in_lists),
      cmocka_unit_test(over_a_link_narrower_than_the_segments_by_ipv4),
      cmocka_unit_test(over_a_link_narrower_than_the_segments_by_ipv6),
      cmocka_unit_test(over_a_link_far_narrower_than_the_segments),
      cmocka_unit_test(over_a_link_that_becomes_narrower_and_wider),
      cmocka_unit_test(over_a_way_that_is_known_to_be_narrower_by_ipv4),
      cmocka_unit_test(over_a_way_that_is_known_to_be_narrower_by_ipv6),
      cmocka_unit_test(over_ipv4_from_an_ipv6_socket),
      cmocka_unit_test(over_a_router),
  };
  return HOSTS_MAIN("segmentation", tests);
}
