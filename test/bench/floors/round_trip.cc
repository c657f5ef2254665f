#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "floors.h"

namespace floors {
namespace {

void send_with_fd(int socket, std::vector<char>& payload, int fd) {
  iovec data{payload.data(), payload.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  must(sendmsg(socket, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(payload.size()), "sendmsg");
}

// Receives a message with one fd and closes that fd; false at the end of the stream.
bool receive_and_close_fd(int socket, std::vector<char>& payload) {
  iovec data{payload.data(), payload.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (got == 0) return false;
  must(got == static_cast<ssize_t>(payload.size()), "recvmsg");
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  must(header != nullptr && header->cmsg_type == SCM_RIGHTS, "SCM_RIGHTS");
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  must(close(fd) == 0, "close");
  return true;
}

void move_to_processor(uint64_t processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  must(sched_setaffinity(0, sizeof set, &set) == 0, "sched_setaffinity");
}

}  // namespace

Samples round_trip(const Arguments& arguments) {
  const uint64_t rounds = arguments[1];
  std::vector<char> payload(arguments[0], 'x');
  int ends[2];
  must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
  const int passed = sealed_file(kPassedBytes);
  const pid_t pid = fork();
  must(pid >= 0, "fork");
  if (pid == 0) {
    if (arguments[3] > 0) move_to_processor(arguments[3] - 1);
    close(ends[0]);
    while (receive_and_close_fd(ends[1], payload)) send_with_fd(ends[1], payload, passed);
    _exit(0);
  }
  close(ends[1]);
  Samples samples;
  for (uint64_t batch = 0; batch <= arguments[2]; ++batch) {
    const double start = now_ns();
    for (uint64_t round = 0; round < rounds; ++round) {
      send_with_fd(ends[0], payload, passed);
      must(receive_and_close_fd(ends[0], payload), "receive");
    }
    const double took = now_ns() - start;
    if (batch > 0) samples.push_back(took / static_cast<double>(rounds));
  }
  close(ends[0]);
  waitpid(pid, nullptr, 0);
  return samples;
}

}  // namespace floors
