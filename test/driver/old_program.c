/* A program as one would have written it for Android's device in 2012, with nothing but the device: a server that keeps
 * decoded pictures in an area, and a client that gets the area by SCM_RIGHTS and uses them. Knows of no library.
 *
 * Exit status 0: every picture that was used was whole. */
#include <errno.h>
#include <fcntl.h>
#include <linux/ashmem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PICTURES 16
#define PICTURE_BYTES (4 * (size_t)getpagesize())
#define ROUNDS 40

static void die(const char* what) {
  fprintf(stderr, "old_program: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int ashmem_create(const char* name, size_t size) {
  struct stat st;
  int fd = open("/dev/ashmem", O_RDWR);
  if (fd < 0) die("open");
  if (fstat(fd, &st) != 0 || !S_ISCHR(st.st_mode)) die("not a device");
  if (ioctl(fd, ASHMEM_SET_NAME, name) < 0) die("SET_NAME");
  if (ioctl(fd, ASHMEM_SET_SIZE, size) < 0) die("SET_SIZE");
  return fd;
}

static int pin(int fd, int picture) {
  struct ashmem_pin range = {(__u32)(picture * PICTURE_BYTES), (__u32)PICTURE_BYTES};
  int result = ioctl(fd, ASHMEM_PIN, &range);
  if (result < 0) die("PIN");
  return result;
}

static void unpin(int fd, int picture) {
  struct ashmem_pin range = {(__u32)(picture * PICTURE_BYTES), (__u32)PICTURE_BYTES};
  if (ioctl(fd, ASHMEM_UNPIN, &range) < 0) die("UNPIN");
}

static void decode(char* base, int picture) {
  memset(base + picture * PICTURE_BYTES, 'A' + picture, PICTURE_BYTES);
}

static int is_whole(const char* base, int picture) {
  const char* bytes = base + picture * PICTURE_BYTES;
  size_t i;
  for (i = 0; i < PICTURE_BYTES; i++) {
    if (bytes[i] != 'A' + picture) return 0;
  }
  return 1;
}

static void send_fd(int socket, int fd) {
  char byte = 0;
  struct iovec data = {&byte, 1};
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control;
  struct msghdr message;
  struct cmsghdr* header;
  memset(&control, 0, sizeof control);
  memset(&message, 0, sizeof message);
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  if (sendmsg(socket, &message, 0) != 1) die("sendmsg");
}

static int receive_fd(int socket) {
  char byte;
  int fd;
  struct iovec data = {&byte, 1};
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control;
  struct msghdr message;
  memset(&message, 0, sizeof message);
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  if (recvmsg(socket, &message, 0) != 1 || !CMSG_FIRSTHDR(&message)) die("recvmsg");
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

/* Pins a picture, decodes it again if it was purged, uses it, unpins it. Returns whether it had been purged. */
static int use(int fd, char* base, int picture) {
  int purged = pin(fd, picture) == ASHMEM_WAS_PURGED;
  if (purged) decode(base, picture);
  if (!is_whole(base, picture)) {
    fprintf(stderr, "old_program: picture %d is broken, and PIN said %d\n", picture, purged);
    exit(1);
  }
  unpin(fd, picture);
  return purged;
}

static int client(int socket) {
  char name[ASHMEM_NAME_LEN];
  int fd = receive_fd(socket);
  int size = ioctl(fd, ASHMEM_GET_SIZE, NULL);
  char *base, byte;
  int round, purged = 0;
  if (size != (int)(PICTURES * PICTURE_BYTES)) die("GET_SIZE");
  if (ioctl(fd, ASHMEM_GET_NAME, name) < 0 || strcmp(name, "pictures") != 0) die("GET_NAME");
  base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) die("mmap");
  for (round = 0; round < ROUNDS; round++) {
    /* One of the two works at a time, for pins are not counted: our UNPIN would undo the other's PIN. */
    if (read(socket, &byte, 1) != 1) die("read");
    purged += use(fd, base, (round * 7) % PICTURES);
    if (write(socket, &byte, 1) != 1) die("write");
  }
  return purged > 0 || geteuid() != 0 ? 0 : 2;
}

int main(void) {
  int pair[2], fd, picture, round, status, purged = 0;
  char *base, byte = 0;
  pid_t pid;
  alarm(60);
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) die("socketpair");
  pid = fork();
  if (pid < 0) die("fork");
  if (pid == 0) {
    close(pair[0]);
    _exit(client(pair[1]));
  }
  close(pair[1]);
  fd = ashmem_create("pictures", PICTURES * PICTURE_BYTES);
  base = mmap(NULL, PICTURES * PICTURE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) die("mmap");
  for (picture = 0; picture < PICTURES; picture++) {
    decode(base, picture);
    unpin(fd, picture);
  }
  send_fd(pair[0], fd);
  for (round = 0; round < ROUNDS; round++) {
    /* Memory is short now and then. Only the superuser can say so. */
    if (round % 3 == 0 && ioctl(fd, ASHMEM_PURGE_ALL_CACHES) < 0 && (errno != EPERM || geteuid() == 0))
      die("PURGE_ALL_CACHES");
    if (write(pair[0], &byte, 1) != 1) die("write");
    if (read(pair[0], &byte, 1) != 1) die("read");
    purged += use(fd, base, (round * 5) % PICTURES);
  }
  if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fprintf(stderr, "old_program: the client ended with %d\n", status);
    return 1;
  }
  if (ioctl(fd, ASHMEM_SET_PROT_MASK, PROT_READ) < 0) die("SET_PROT_MASK");
  if (mmap(NULL, PICTURE_BYTES, PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED) die("still writable");
  printf("old_program: %d rounds, %d pictures decoded again by the server\n", ROUNDS, purged);
  return 0;
}
