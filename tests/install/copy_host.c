/*
 * A program that has a copy of the library linked in statically, and exports its functions
 * (-rdynamic). It loads others, of another version: a plugin with a copy of its own, and a shared
 * library. Each copy runs its own code; all share one loop. Prints "ok".
 * Usage: copy_host OWN_VERSION PLUGIN SHARED_LIBRARY OTHERS_VERSION
 */
#include <dgram.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void function(void);

static int answers;

static void fail(const char *what, const char *why) {
  printf("%s: %s\n", what, why);
  exit(1);
}

static void expect(const char *what, const char *got, const char *expected) {
  if (strcmp(got, expected) != 0)
    fail(what, got);
}

static void *load(const char *path) {
  void *loaded = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
  if (loaded == NULL)
    fail("dlopen", dlerror());
  return loaded;
}

/* Ours is an object's address as well (POSIX, dlsym). */
static function *find(void *loaded, const char *name) {
  function *found;
  void *address = dlsym(loaded, name);
  if (address == NULL)
    fail("dlsym", name);
  memcpy(&found, &address, sizeof found);
  return found;
}

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  (void)socket;
  (void)context;
  if (rinfo->size != 5 || memcmp(message, "hello", 5) != 0)
    fail("message", message);
  answers++;
}

/* The functions of the shared library that this calls. */
struct shared {
  const char *(*version)(void);
  int (*create)(uv_loop_t *loop, dgram_type_t type, dgram_message_cb on_message, void *context,
                dgram_socket_t **socket);
  int (*bind)(dgram_socket_t *socket, int port, const char *address, dgram_listening_cb callback,
              void *context);
  int (*send)(dgram_socket_t *socket, const void *message, size_t size, int port,
              const char *address, dgram_send_cb callback, void *context);
  int (*close)(dgram_socket_t *socket, dgram_close_cb callback, void *context);
};

static struct shared find_shared(const char *path) {
  void *loaded = load(path);
  return (struct shared){
      .version = (const char *(*)(void))find(loaded, "dgram_version"),
      .create = (int (*)(uv_loop_t *, dgram_type_t, dgram_message_cb, void *,
                         dgram_socket_t **))find(loaded, "dgram_create_socket"),
      .bind = (int (*)(dgram_socket_t *, int, const char *, dgram_listening_cb, void *))find(
          loaded, "dgram_bind"),
      .send = (int (*)(dgram_socket_t *, const void *, size_t, int, const char *, dgram_send_cb,
                       void *))find(loaded, "dgram_send"),
      .close = (int (*)(dgram_socket_t *, dgram_close_cb, void *))find(loaded, "dgram_close"),
  };
}

int main(int argc, char *argv[]) {
  uv_loop_t *loop = uv_default_loop();
  dgram_socket_t *own;
  dgram_socket_t *others;
  if (argc != 5)
    return 2;
  void *plugin = load(argv[2]);
  struct shared shared = find_shared(argv[3]);
  int (*start)(uv_loop_t *) = (int (*)(uv_loop_t *))find(plugin, "plugin_start");
  expect("the version of the program", dgram_version(), argv[1]);
  expect("the version of the plugin", ((const char *(*)(void))find(plugin, "plugin_version"))(),
         argv[4]);
  expect("the version of the shared library", shared.version(), argv[4]);

  int port = start(loop);
  if (port <= 0)
    fail("plugin_start", dgram_strerror(port));
  int err = dgram_create_socket(loop, DGRAM_UDP4, on_message, NULL, &own);
  if (err == 0)
    err = dgram_send(own, "hello", 5, port, "127.0.0.1", NULL, NULL);
  if (err == 0)
    err = shared.create(loop, DGRAM_UDP4, on_message, NULL, &others);
  if (err == 0)
    err = shared.bind(others, 0, NULL, NULL, NULL);
  if (err == 0)
    err = shared.send(others, "hello", 5, port, "127.0.0.1", NULL, NULL);
  if (err != 0)
    fail("a call", dgram_strerror(err));
  while (answers < 2)
    uv_run(loop, UV_RUN_ONCE);
  dgram_close(own, NULL, NULL);
  shared.close(others, NULL, NULL);
  find(plugin, "plugin_stop")();
  uv_run(loop, UV_RUN_DEFAULT);
  if (uv_loop_close(loop) != 0)
    fail("uv_loop_close", "the loop still has handles");
  puts("ok");
  return 0;
}
