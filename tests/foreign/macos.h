/* macOS: see bsd.h. */
#include "bsd.h"

#undef MSG_CMSG_CLOEXEC
#undef POLLRDHUP
#undef SOCK_CLOEXEC
#undef SOCK_NONBLOCK
#undef SO_DOMAIN
#undef SO_PROTOCOL
