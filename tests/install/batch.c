/* A program that listens to 'messages': three datagrams of one iteration of the loop, then prints
 * "ok". */
#include <dgram.h>
#include <stdio.h>
#include <string.h>

static const char *const texts[] = {"one", "two", "three"};
enum { TEXTS = sizeof texts / sizeof *texts };
static size_t came;

static void on_messages(dgram_socket_t *socket, const dgram_message_t *const messages[],
                        size_t count, void *context) {
  (void)context;
  for (size_t i = 0; i < count; i++) {
    const dgram_rinfo_t *rinfo = &messages[i]->rinfo;
    if (came == TEXTS || rinfo->size != strlen(texts[came]) ||
        memcmp(messages[i]->message, texts[came], rinfo->size) != 0 ||
        strcmp(dgram_rinfo_address(rinfo), "127.0.0.1") != 0) {
      puts("another message came than was sent");
      break;
    }
    came++;
  }
  dgram_close(socket, NULL, NULL);
}

int main(void) {
  dgram_socket_t *socket;
  dgram_address_t own;
  int err = dgram_create_socket(uv_default_loop(), DGRAM_UDP4, NULL, NULL, &socket);
  if (err == 0)
    err = dgram_on_messages(socket, on_messages, NULL);
  if (err == 0)
    err = dgram_bind_sync(socket, 0, "127.0.0.1");
  if (err == 0)
    err = dgram_address(socket, &own);
  for (int i = 0; i < TEXTS && err == 0; i++)
    err = dgram_send(socket, texts[i], strlen(texts[i]), own.port, NULL, NULL, NULL);
  if (err == 0)
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  puts(err != 0 ? dgram_strerror(err) : came == TEXTS ? "ok" : "not all came");
  return came == TEXTS ? 0 : 1;
}
