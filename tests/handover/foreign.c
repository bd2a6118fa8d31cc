/*
 * What is no server of ours at the other end of the path: whatever it sends or does not send, the
 * server that offers goes on, the one that takes gets an error, and neither keeps a descriptor.
 */
#include "lib/handover_fixture.h"

enum { FRAME = 40 }; /* bytes; see src/ipc/frame.c */

/* ---- to the server that offers ---- */

/* Sends this to it, and sees the end. */
static void assert_dropped(dgram_socket_t *old, const void *bytes, size_t size) {
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

TEST("an offer drops a connection that sends something else than frames of a next server") {
  static const unsigned char nonsense[1000] = "GET / HTTP/1.1\r\n";
  static const unsigned char give[FRAME] = {1, 7};
  struct taker taker;
  dgram_offer_t *offer;
  dgram_socket_t *old = new_offered(loop, &offer);
  int before = count_open_files();
  assert_dropped(old, nonsense, FRAME);
  assert_dropped(old, nonsense, sizeof nonsense);
  assert_dropped(old, give, FRAME);
  assert_trace("");
  assert_int_equal(count_open_files(), before);
  take_one(loop, &taker);
  give_up(&taker);
}

TEST("an offer ignores half a frame of confirmation, and takes a whole one") {
  static const unsigned char taken[FRAME] = {1, 8};
  dgram_offer_t *offer;
  new_offered(loop, &offer);
  int before = count_open_files();
  int fd = raw_successor();
  assert_int_equal(send(fd, taken, FRAME / 2, 0), FRAME / 2);
  settle(loop);
  close(fd);
  settle(loop);
  assert_trace("");
  assert_int_equal(count_open_files(), before);

  fd = raw_successor();
  assert_int_equal(send(fd, taken, FRAME, 0), FRAME);
  settle(loop);
  assert_trace("taken");
  close(fd);
}

/* ---- to the server that takes ---- */

/* What an impostor sends: frames, each with a descriptor or without. */
struct script {
  const unsigned char *bytes;
  size_t frames;
  int with;   /* -1: without */
  int closes; /* it closes the connection at the end */
};

struct impostor {
  const struct script *script;
  int listener;
  int accepted;
};

static void play_script(void *context) {
  struct impostor *impostor = context;
  const struct script *script = impostor->script;
  impostor->accepted = accept(impostor->listener, NULL, NULL);
  for (size_t i = 0; i < script->frames; i++) /* the other may have gone */
    process_send_fds(impostor->accepted, script->bytes + i * FRAME, FRAME, &script->with,
                     script->with >= 0, 0);
  if (script->closes)
    close(impostor->accepted);
}

/* What a take from an impostor returns. */
static int take_from_impostor(const struct script *script, int timeout_ms) {
  struct impostor impostor = {.script = script};
  struct taker taker;
  uv_thread_t thread;
  int before = count_open_files();
  impostor.listener = raw_unix_bound();
  assert_int_equal(listen(impostor.listener, 1), 0);
  assert_int_equal(uv_thread_create(&thread, play_script, &impostor), 0);
  taker.count = dgram_handover_take(path, timeout_ms, taker.fds, &taker.takeover);
  assert_int_equal(uv_thread_join(&thread), 0);
  if (!script->closes)
    close(impostor.accepted);
  close(impostor.listener);
  assert_int_equal(unlink(path), 0);
  if (taker.count > 0)
    give_up(&taker);
  assert_int_equal(count_open_files(), before);
  return taker.count;
}

/* Byte 1 is a frame's kind, of which 7 gives; byte 7 how many are to come, 8 to 11 a status. */

TEST("a take fails with EPROTO when the offer breaks the rules") {
  static const unsigned char nonsense[FRAME] = "HTTP/1.1 400 Bad Request\r\n";
  static const unsigned char other_version[FRAME] = {2, 7};
  static const unsigned char other_kind[FRAME] = {1, 8};
  static const unsigned char too_many[FRAME] = {1, 7, [7] = DGRAM_HANDOVER_MOST};
  static const unsigned char far_too_many[FRAME] = {1, 7, [4] = 255, 255, 255, 255};
  static const unsigned char out_of_order[2 * FRAME] = {
      1, 7, [7] = 5, [FRAME] = 1, 7, [FRAME + 7] = 3};
  int with = raw_socket();
  const struct script scripts[] = {
      {nonsense, 1, -1, 0},     {other_version, 1, with, 0}, {other_kind, 1, with, 0},
      {too_many, 1, with, 0},   {far_too_many, 1, with, 0},  {out_of_order, 2, with, 0},
      {out_of_order, 2, -1, 0},
  };
  for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
    assert_int_equal(take_from_impostor(&scripts[i], PATIENCE_MS), UV_EPROTO);
  close(with);
}

/* Shows that the frames above are what their names are. */
TEST("a take gets what an offer gives that keeps to the rules") {
  static const unsigned char two[2 * FRAME] = {1, 7, [7] = 1, [FRAME] = 1, 7};
  static const unsigned char busy[FRAME] = {1, 7, [8] = 255, 255, 255, (unsigned char)UV_EBUSY};
  const struct script gives = {two, 2, raw_socket(), 0};
  const struct script refuses = {busy, 1, -1, 0};
  const struct script refuses_and_gives = {busy, 1, gives.with, 0};
  assert_int_equal(take_from_impostor(&gives, PATIENCE_MS), 2);
  assert_int_equal(take_from_impostor(&gives, -1), 2); /* without end */
  assert_int_equal(take_from_impostor(&refuses, PATIENCE_MS), UV_EBUSY);
  assert_int_equal(take_from_impostor(&refuses_and_gives, PATIENCE_MS), UV_EBUSY);
  close(gives.with);
}

static const unsigned char first_of_two[FRAME] = {1, 7, [7] = 1};

TEST("a take fails with EOF when the connection ends before all have come") {
  struct script script = {first_of_two, 1, raw_socket(), 1};
  assert_int_equal(take_from_impostor(&script, PATIENCE_MS), UV_EOF);
  script.frames = 0;
  assert_int_equal(take_from_impostor(&script, PATIENCE_MS), UV_EOF);
  close(script.with);
}

TEST("a take fails with ETIMEDOUT when the offer is silent") {
  struct script script = {first_of_two, 1, raw_socket(), 0};
  assert_int_equal(take_from_impostor(&script, 20), UV_ETIMEDOUT);
  script.frames = 0;
  assert_int_equal(take_from_impostor(&script, 0), UV_ETIMEDOUT);
  close(script.with);
}
