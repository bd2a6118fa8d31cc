# The files of the library; the build of the addon reads this list too. A folder includes headers of
# those before it in the list, never of those after it.

set(dgram_folders base udp ipc core cluster handover group sim)

set(dgram_base # no descriptor, no loop
  access_list.c
  address.c
  errors.c
  listeners.c
  prefix_trie.c
  rate_limit.c
  rtnetlink.c
  trie_node.c)
set(dgram_udp # system calls on one UDP descriptor: no loop
  cmsg.c
  descriptor.c
  error_queue.c
  gso.c
  rx_info.c
  sendmmsg.c
  sockopt.c
  tx_options.c
  udp_recv.c
  udp_send.c
  udp_send_with.c
  udp_socket.c)
set(dgram_ipc # frames and descriptors between the processes of one host
  channel.c
  frame.c
  unix_listener.c)
set(dgram_core # the socket on a libuv loop
  accept_peer.c
  abort.c
  access.c
  async_error.c
  bind.c
  busy_poll.c
  connect.c
  events.c
  icmp.c
  interface_watch.c
  interfaces.c
  loop.c
  membership_all.c
  multicast.c
  name_cache.c
  options.c
  path.c
  poll.c
  post_send.c
  receive.c
  receive_backlog.c
  receive_messages.c
  resolve.c
  rx_coalesce.c
  send.c
  send_accept.c
  send_cancel.c
  send_limit.c
  send_options.c
  send_with.c
  socket.c
  sockopts.c
  stats.c
  time_limits.c)
set(dgram_cluster # a primary and its workers
  primary.c
  shared_sockets.c
  worker.c
  worker_env.c)
set(dgram_handover # from one server to the next
  listen_fds.c
  offer.c
  take.c)
set(dgram_group # one port, many threads
  affinity.c
  group.c
  reuseport_bpf.c)
set(dgram_sim # a network in memory
  clock.c
  event_heap.c
  host.c
  nat.c
  packet.c
  sim_options.c
  sim_socket.c
  trace.c)
