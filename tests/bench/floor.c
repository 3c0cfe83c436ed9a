/* SPDX-License-Identifier: Apache-2.0 */
/* The floor under ADD and DEL of bridge with host-local: the same end state (a veth pair from the bridge floor0 into the
 * pod, up, with an address and a default route, and a reservation on disk) by the fewest netlink requests, from a
 * program that reads no configuration and can do nothing else. Takes CNI_COMMAND, CNI_NETNS and CNI_IFNAME.
 * Source: rtnetlink(7), veth(4). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char* const kHostEnd = "floorveth";
static const char* const kReservation = "/run/cni-bench-floor/10.99.0.2";

struct request {
  struct nlmsghdr header;
  char body[512];
};

static void die(const char* what) {
  perror(what);
  exit(1);
}

static void* put(struct request* request, unsigned short type, const void* data, size_t size) {
  struct rtattr* attribute = (struct rtattr*)((char*)request + NLMSG_ALIGN(request->header.nlmsg_len));
  attribute->rta_type = type;
  attribute->rta_len = (unsigned short)RTA_LENGTH(size);
  if (size > 0) memcpy(RTA_DATA(attribute), data, size);
  request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
  return attribute;
}

static void end(struct request* request, struct rtattr* nest) {
  nest->rta_len = (unsigned short)((char*)request + request->header.nlmsg_len - (char*)nest);
}

static struct request begin(unsigned short type, unsigned short flags, const void* header, size_t size) {
  struct request request;
  memset(&request, 0, sizeof request);
  request.header.nlmsg_len = (unsigned)NLMSG_LENGTH(size);
  request.header.nlmsg_type = type;
  request.header.nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags);
  memcpy(request.body, header, size);
  return request;
}

static void send_and_wait(int socket, struct request* request, const char* what) {
  char answer[4096];
  if (send(socket, request, request->header.nlmsg_len, 0) < 0) die(what);
  if (recv(socket, answer, sizeof answer, 0) < 0) die(what);
  const struct nlmsgerr* error = NLMSG_DATA((struct nlmsghdr*)answer);
  if (error->error != 0) {
    errno = -error->error;
    die(what);
  }
}

static int open_socket(void) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) die("socket");
  return fd;
}

static void make_veth(int socket, int netns, const char* ifname) {
  const struct ifinfomsg up = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  struct request request = begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &up, sizeof up);
  const unsigned bridge = if_nametoindex("floor0");
  put(&request, IFLA_IFNAME, kHostEnd, strlen(kHostEnd) + 1);
  put(&request, IFLA_MASTER, &bridge, sizeof bridge);
  struct rtattr* info = put(&request, IFLA_LINKINFO, NULL, 0);
  put(&request, IFLA_INFO_KIND, "veth", 4);
  struct rtattr* data = put(&request, IFLA_INFO_DATA, NULL, 0);
  const struct ifinfomsg down = {.ifi_family = AF_UNSPEC}; /* the driver refuses a peer that is up before it has one */
  struct rtattr* peer = put(&request, VETH_INFO_PEER, &down, sizeof down);
  put(&request, IFLA_IFNAME, ifname, strlen(ifname) + 1);
  put(&request, IFLA_NET_NS_FD, &netns, sizeof netns);
  end(&request, peer);
  end(&request, data);
  end(&request, info);
  send_and_wait(socket, &request, "making the veth pair");
}

static void give_address(int socket, unsigned index) {
  const struct ifinfomsg up = {.ifi_index = (int)index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  struct request request = begin(RTM_NEWLINK, 0, &up, sizeof up);
  send_and_wait(socket, &request, "setting the pod's end up");
  const struct in_addr address = {.s_addr = inet_addr("10.99.0.2")}, gateway = {.s_addr = inet_addr("10.99.0.1")};
  const struct ifaddrmsg header = {.ifa_family = AF_INET, .ifa_prefixlen = 16, .ifa_index = index};
  request = begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &header, sizeof header);
  put(&request, IFA_LOCAL, &address, sizeof address);
  send_and_wait(socket, &request, "adding the address");
  const struct rtmsg route = {.rtm_family = AF_INET,
                              .rtm_table = RT_TABLE_MAIN,
                              .rtm_protocol = RTPROT_BOOT,
                              .rtm_scope = RT_SCOPE_UNIVERSE,
                              .rtm_type = RTN_UNICAST};
  request = begin(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &route, sizeof route);
  put(&request, RTA_GATEWAY, &gateway, sizeof gateway);
  put(&request, RTA_OIF, &index, sizeof index);
  send_and_wait(socket, &request, "adding the route");
}

static void add(const char* netns_path, const char* ifname) {
  const int netns = open(netns_path, O_RDONLY | O_CLOEXEC);
  if (netns < 0) die(netns_path);
  make_veth(open_socket(), netns, ifname);
  mkdir("/run/cni-bench-floor", 0755);
  const int file = open(kReservation, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0 || write(file, "bench\r\nnet1", 11) != 11) die(kReservation);
  if (setns(netns, CLONE_NEWNET) < 0) die("setns");
  give_address(open_socket(), if_nametoindex(ifname));
}

static void del(void) {
  const struct ifinfomsg none = {.ifi_family = AF_UNSPEC};
  struct request request = begin(RTM_DELLINK, 0, &none, sizeof none);
  put(&request, IFLA_IFNAME, kHostEnd, strlen(kHostEnd) + 1);
  send_and_wait(open_socket(), &request, "removing the veth pair");
  unlink(kReservation);
}

int main(void) {
  const char* command = getenv("CNI_COMMAND");
  if (command != NULL && strcmp(command, "ADD") == 0) add(getenv("CNI_NETNS"), getenv("CNI_IFNAME"));
  if (command != NULL && strcmp(command, "DEL") == 0) del();
  return 0;
}
