/*
 * What is no server of ours at the other end of the path: whatever it says or does not say, the
 * server that offers goes on, the one that takes gets an error, and neither keeps a descriptor.
 */
#include "handover_test.h"

enum { FRAME = 40 }; /* bytes; see src/wire.c */

/* ---- to the server that offers ---- */

/* Says this to it, and sees the end. */
static void say(dgram_socket_t *old, const void *bytes, size_t size) {
  char answer[8 * FRAME];
  int fd = raw_successor();
  assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), size);
  settle(dgram_loop(old));
  ssize_t got;
  do
    got = recv(fd, answer, sizeof answer, MSG_DONTWAIT);
  while (got > 0);
  assert_true(got == 0 || errno == ECONNRESET);
  close(fd);
  assert_usable(old);
}

static void one_who_says_something_else_is_dropped(void **state) {
  static const unsigned char nonsense[1000] = "GET / HTTP/1.1\r\n";
  static const unsigned char give[FRAME] = {1, 7};
  uv_loop_t *loop = open_loop();
  struct taker taker;
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  dgram_offer_t *offer = offer_socket(old);
  int before = count_open_files();
  say(old, nonsense, FRAME);
  say(old, nonsense, sizeof nonsense);
  say(old, give, FRAME);
  assert_trace("");
  assert_int_equal(count_open_files(), before);
  assert_int_equal(take_from(loop, &taker), 1);
  give_up(&taker);
  dgram_handover_withdraw(offer);
  close_socket(old);
  close_loop(loop);
}

static void half_a_frame_and_the_end_is_nothing(void **state) {
  static const unsigned char taken[FRAME] = {1, 8};
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  offer_socket(old);
  int before = count_open_files();
  int fd = raw_successor();
  assert_int_equal(send(fd, taken, FRAME / 2, 0), FRAME / 2);
  settle(loop);
  assert_trace("");
  close(fd);
  settle(loop);
  assert_trace("");
  assert_int_equal(count_open_files(), before);

  fd = raw_successor();
  assert_int_equal(send(fd, taken, FRAME, 0), FRAME);
  settle(loop);
  assert_trace("taken"); /* all of it is the word */
  close(fd);
  close_socket(old);
  close_loop(loop);
}

/* ---- to the server that takes ---- */

/* What one says that offers and is none of ours: frames, each with a descriptor or without. */
struct script {
  const unsigned char *bytes;
  size_t frames;
  int with; /* -1: without */
};

struct impostor {
  const struct script *script;
  int stays; /* or it closes the connection at the end */
  int listener;
  int accepted;
};

static void send_frame(int fd, const struct script *script, size_t number) {
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control = {.bytes = {0}};
  struct iovec iov = {.iov_base = (void *)(script->bytes + number * FRAME), .iov_len = FRAME};
  struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
  if (script->with >= 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &script->with, sizeof(int));
  }
  (void)sendmsg(fd, &message, MSG_NOSIGNAL); /* the other may have gone */
}

static void be_one(void *context) {
  struct impostor *impostor = context;
  impostor->accepted = accept(impostor->listener, NULL, NULL);
  for (size_t i = 0; i < impostor->script->frames; i++)
    send_frame(impostor->accepted, impostor->script, i);
  if (!impostor->stays)
    close(impostor->accepted);
}

/* What a take from one returns that says this, and then ends the connection or stays. */
static int take_from_impostor(const struct script *script, int stays, int timeout_ms) {
  struct impostor impostor = {.script = script, .stays = stays};
  struct sockaddr_un address = path_address();
  int fds[DGRAM_HANDOVER_MOST];
  dgram_takeover_t *takeover;
  uv_thread_t thread;
  int before = count_open_files();
  alarm(WATCHDOG_SECONDS);
  impostor.listener = raw_unix();
  assert_int_equal(bind(impostor.listener, (struct sockaddr *)&address, sizeof address), 0);
  assert_int_equal(listen(impostor.listener, 1), 0);
  assert_int_equal(uv_thread_create(&thread, be_one, &impostor), 0);
  int count = dgram_handover_take(path, timeout_ms, fds, &takeover);
  assert_int_equal(uv_thread_join(&thread), 0);
  if (impostor.stays)
    close(impostor.accepted);
  close(impostor.listener);
  assert_int_equal(unlink(path), 0);
  if (count > 0) {
    dgram_handover_abandon(takeover);
    for (int i = 0; i < count; i++)
      close(fds[i]);
  }
  assert_int_equal(count_open_files(), before);
  alarm(0);
  return count;
}

/* Byte 1 says what a frame is, 7 is DGRAM__FRAME_DESCRIPTOR; byte 7 how many are to come, 8 to 11 a
 * status. */

static void what_breaks_the_rules_is_EPROTO(void **state) {
  static const unsigned char nonsense[FRAME] = "HTTP/1.1 400 Bad Request\r\n";
  static const unsigned char other_version[FRAME] = {2, 7};
  static const unsigned char other_kind[FRAME] = {1, 8};
  static const unsigned char too_many[FRAME] = {1, 7, [7] = DGRAM_HANDOVER_MOST};
  static const unsigned char far_too_many[FRAME] = {1, 7, [4] = 255, 255, 255, 255};
  static const unsigned char out_of_order[2 * FRAME] = {
      1, 7, [7] = 5, [FRAME] = 1, 7, [FRAME + 7] = 3};
  int with = raw_socket();
  const struct script scripts[] = {
      {nonsense, 1, -1},       {other_version, 1, with}, {other_kind, 1, with}, {too_many, 1, with},
      {far_too_many, 1, with}, {out_of_order, 2, with},  {out_of_order, 2, -1},
  };
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
    assert_int_equal(take_from_impostor(&scripts[i], 1, PATIENCE_MS), UV_EPROTO);
  close(with);
}

/* To show that the frames above are what they are said to be. */
static void what_keeps_to_them_is_taken(void **state) {
  static const unsigned char two[2 * FRAME] = {1, 7, [7] = 1, [FRAME] = 1, 7};
  static const unsigned char busy[FRAME] = {1, 7, [8] = 255, 255, 255, (unsigned char)UV_EBUSY};
  const struct script gives = {two, 2, raw_socket()};
  const struct script refuses = {busy, 1, -1};
  const struct script refuses_and_gives = {busy, 1, gives.with};
  assert_int_equal(take_from_impostor(&gives, 1, PATIENCE_MS), 2);
  assert_int_equal(take_from_impostor(&gives, 1, -1), 2); /* without end */
  assert_int_equal(take_from_impostor(&refuses, 1, PATIENCE_MS), UV_EBUSY);
  assert_int_equal(take_from_impostor(&refuses_and_gives, 1, PATIENCE_MS), UV_EBUSY);
  close(gives.with);
}

static void the_end_in_the_midst_is_EOF(void **state) {
  static const unsigned char first_of_two[FRAME] = {1, 7, [7] = 1};
  struct script script = {first_of_two, 1, raw_socket()};
  assert_int_equal(take_from_impostor(&script, 0, PATIENCE_MS), UV_EOF);
  script.frames = 0;
  assert_int_equal(take_from_impostor(&script, 0, PATIENCE_MS), UV_EOF);
  close(script.with);
}

static void silence_is_ETIMEDOUT(void **state) {
  static const unsigned char first_of_two[FRAME] = {1, 7, [7] = 1};
  struct script script = {first_of_two, 1, raw_socket()};
  assert_int_equal(take_from_impostor(&script, 1, 20), UV_ETIMEDOUT);
  script.frames = 0;
  assert_int_equal(take_from_impostor(&script, 1, 0), UV_ETIMEDOUT);
  close(script.with);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      HANDOVER_TEST(one_who_says_something_else_is_dropped),
      TAKEN_TEST(half_a_frame_and_the_end_is_nothing),
      HANDOVER_TEST(what_breaks_the_rules_is_EPROTO),
      HANDOVER_TEST(what_keeps_to_them_is_taken),
      HANDOVER_TEST(the_end_in_the_midst_is_EOF),
      HANDOVER_TEST(silence_is_ETIMEDOUT),
  };
  return cmocka_run_group_tests_name("foreign", tests, NULL, NULL);
}
