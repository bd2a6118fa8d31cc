/*
 * Host names to addresses, by libuv's thread pool and the system's resolver.
 * A look-up outlives its owner: the resolver can't be stopped, only forgotten.
 */
#include "internal.h"

#include <stdlib.h>

struct dgram__lookup {
  uv_getaddrinfo_t request;
  dgram__answer_fn *answer; /* NULL: forgotten */
  void *owner;
};

static void on_answer(uv_getaddrinfo_t *request, int status, struct addrinfo *found) {
  struct dgram__lookup *lookup = request->data;
  union dgram__address address;
  if (status == 0 && !dgram__address_copy(&address, found->ai_addr))
    status = UV_EAI_ADDRFAMILY;
  if (lookup->answer != NULL)
    lookup->answer(lookup->owner, status, &address);
  uv_freeaddrinfo(found);
  free(lookup);
}

int dgram__lookup_start(struct dgram__lookup **lookup, uv_loop_t *loop, const char *host,
                        int family, dgram__answer_fn *answer, void *owner) {
  struct dgram__lookup *started = malloc(sizeof *started);
  if (started == NULL)
    return UV_ENOMEM;
  started->request.data = started;
  started->answer = answer;
  started->owner = owner;
  struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_DGRAM};
  int err = uv_getaddrinfo(loop, &started->request, on_answer, host, NULL, &hints);
  if (err != 0) {
    free(started);
    return err;
  }
  *lookup = started;
  return 0;
}

void dgram__lookup_forget(struct dgram__lookup *lookup) {
  lookup->answer = NULL;
  uv_cancel((uv_req_t *)&lookup->request);
}
