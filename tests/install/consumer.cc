// A C++ program of a user: sends itself a datagram on 127.0.0.1, then prints "ok".
#include <dgram.h>
#include <iostream>
#include <string>

int main() {
  std::string got;
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  dgram_socket_t *socket = nullptr;
  int failed = dgram_create_socket_options(
      uv_default_loop(), &options,
      [](dgram_socket_t *self, const char *message, const dgram_rinfo_t *rinfo, void *context) {
        static_cast<std::string *>(context)->assign(message, rinfo->size);
        dgram_close(self, nullptr, nullptr);
      },
      &got, &socket);
  if (!failed)
    failed = dgram_bind(
        socket, 0, "127.0.0.1",
        [](dgram_socket_t *self, void *) {
          dgram_address_t own;
          if (dgram_address(self, &own) == 0)
            dgram_send(self, "hello", 5, own.port, own.address, nullptr, nullptr);
        },
        nullptr);
  if (!failed)
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  std::cout << (got == "hello" ? "ok" : "failed: " + std::string(dgram_strerror(failed))) << '\n';
  return got == "hello" ? 0 : 1;
}
