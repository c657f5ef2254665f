/* One descriptor with the bytes of a message, over a unix socket. */
#ifndef TEST_FD_MESSAGE_H
#define TEST_FD_MESSAGE_H

#include <string.h>
#include <sys/socket.h>

union fd_control {
  char bytes[CMSG_SPACE(sizeof(int))];
  struct cmsghdr align;
};

static inline struct msghdr fd_message(struct iovec* data, union fd_control* control) {
  struct msghdr message;
  memset(&message, 0, sizeof message);
  memset(control, 0, sizeof *control);
  message.msg_iov = data;
  message.msg_iovlen = 1;
  message.msg_control = control->bytes;
  message.msg_controllen = sizeof control->bytes;
  return message;
}

/* The number of bytes sent, or -1. */
static inline ssize_t send_with_fd(int socket, void* bytes, size_t length, int fd) {
  struct iovec data = {bytes, length};
  union fd_control control;
  struct msghdr message = fd_message(&data, &control);
  CMSG_FIRSTHDR(&message)->cmsg_level = SOL_SOCKET;
  CMSG_FIRSTHDR(&message)->cmsg_type = SCM_RIGHTS;
  CMSG_FIRSTHDR(&message)->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &fd, sizeof fd);
  return sendmsg(socket, &message, 0);
}

/* The descriptor of a message of one byte, or -1. */
static inline int receive_fd(int socket) {
  char byte;
  int fd;
  struct iovec data = {&byte, 1};
  union fd_control control;
  struct msghdr message = fd_message(&data, &control);
  if (recvmsg(socket, &message, 0) != 1 || CMSG_FIRSTHDR(&message) == NULL) return -1;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

#endif
