/* What a watcher takes for a change of an interface, and how it finds one by its index. */
#include <interfaces.h>

#include "lib/fixture.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* An interface with up to two addresses, all that it is made of. */
struct made {
  dgram_interface_t interface;
  dgram_interface_address_t address[2];
  const dgram_interface_address_t *addresses[2];
  struct sockaddr_in name[2];
};

static void make(struct made *made) {
  memset(made, 0, sizeof *made);
  for (int i = 0; i < 2; i++) {
    made->name[i].sin_family = AF_INET;
    made->name[i].sin_addr.s_addr = htonl(0x0a000001 + (uint32_t)i);
    made->address[i].sockaddr = (const struct sockaddr *)&made->name[i];
    made->address[i].prefix = 24;
    made->addresses[i] = &made->address[i];
  }
  made->interface = (dgram_interface_t){.name = "eth0",
                                        .index = 3,
                                        .flags = DGRAM_INTERFACE_UP,
                                        .mac = {1, 2, 3, 4, 5, 6},
                                        .address_count = 2,
                                        .addresses = made->addresses};
}

static void assert_changed(const struct made *a, const struct made *b, const char *what) {
  if (dgram__interface_equal(&a->interface, &b->interface))
    fail_msg("%s", what);
}

TEST("an interface has changed if one of its parts has") {
  struct made before;
  struct made now;
  make(&before);
  make(&now);
  assert_true(dgram__interface_equal(&before.interface, &now.interface));
  now.interface.index = 4;
  assert_changed(&before, &now, "index");
  make(&now);
  now.interface.flags = 0;
  assert_changed(&before, &now, "flags");
  make(&now);
  now.interface.name = "eth1";
  assert_changed(&before, &now, "name");
  make(&now);
  now.interface.mac[5] = 0;
  assert_changed(&before, &now, "hardware address");
  make(&now);
  now.interface.address_count = 1;
  assert_changed(&before, &now, "number of addresses");
  for (int i = 0; i < 2; i++) {
    make(&now);
    now.address[i].prefix = 25;
    assert_changed(&before, &now, "prefix");
    make(&now);
    now.name[i].sin_addr.s_addr = htonl(0x0a0000ff);
    assert_changed(&before, &now, "address");
  }
}

TEST("an interface without addresses is equal to itself") {
  struct made before;
  struct made now;
  make(&before);
  make(&now);
  before.interface.address_count = now.interface.address_count = 0;
  assert_true(dgram__interface_equal(&before.interface, &now.interface));
}

TEST("an interface is found by its index, among any number") {
  enum { MOST = 9 };
  dgram_interface_t all[MOST];
  const dgram_interface_t *pointers[MOST];
  for (unsigned i = 0; i < MOST; i++) {
    all[i] = (dgram_interface_t){.index = 2 * i + 2};
    pointers[i] = &all[i];
  }
  for (unsigned count = 0; count <= MOST; count++) {
    /* Memory that ends with them: valgrind and the sanitizers see a read behind it. */
    const dgram_interface_t **exact = malloc(count * sizeof(void *) + 1);
    assert_non_null(exact);
    memcpy(exact, pointers, count * sizeof(void *));
    const struct dgram__interfaces interfaces = {.all = exact, .count = count};
    for (unsigned index = 0; index <= 2 * MOST + 2; index++) {
      bool there = index > 0 && index % 2 == 0 && index / 2 <= count;
      assert_ptr_equal(dgram__interfaces_find(&interfaces, index),
                       there ? &all[index / 2 - 1] : NULL);
    }
    free(exact);
  }
}

TEST("an interface carries multicast of a family if it is up, can, and has such an address") {
  struct made made;
  make(&made);
  made.interface.flags = DGRAM_INTERFACE_UP | DGRAM_INTERFACE_MULTICAST;
  assert_true(dgram__interface_carries(&made.interface, AF_INET));
  assert_false(dgram__interface_carries(&made.interface, AF_INET6));
  made.name[1].sin_family = AF_INET6; /* only the second */
  assert_true(dgram__interface_carries(&made.interface, AF_INET6));
  made.interface.address_count = 1;
  assert_false(dgram__interface_carries(&made.interface, AF_INET6));
  made.interface.flags = DGRAM_INTERFACE_UP;
  assert_false(dgram__interface_carries(&made.interface, AF_INET));
  made.interface.flags = DGRAM_INTERFACE_MULTICAST;
  assert_false(dgram__interface_carries(&made.interface, AF_INET));
}
