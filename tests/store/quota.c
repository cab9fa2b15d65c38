/* A quota for one folder, to be preloaded: what would make its files larger than QUOTA_BYTES together fails with EDQUOT, as on a file
 * system whose quota is used up. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The bytes of all files in the folder. */
static long long used(const char *folder) {
  long long sum = 0;
  DIR *dir = opendir(folder);
  if (!dir) return 0;
  for (struct dirent *entry; (entry = readdir(dir));) {
    struct stat status;
    if (entry->d_type == DT_REG && fstatat(dirfd(dir), entry->d_name, &status, 0) == 0) sum += status.st_size;
  }
  closedir(dir);
  return sum;
}

/* Whether a write that ends at `end` goes beyond the quota; -1 is the end of the file. */
static int is_too_much(int fd, long long end, size_t count) {
  const char *folder = getenv("QUOTA_FOLDER"), *limit = getenv("QUOTA_BYTES");
  if (!folder || !limit) return 0;
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  if (strncmp(path, folder, strlen(folder)) != 0) return 0;
  struct stat status;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return 0;
  if (end < 0) end = lseek(fd, 0, SEEK_CUR) + (long long)count;
  if (end <= status.st_size) return 0;
  return used(folder) + end - status.st_size > atoll(limit);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
  static ssize_t (*next)(int, const void *, size_t, off64_t);
  if (!next) next = dlsym(RTLD_NEXT, "pwrite64");
  if (!is_too_much(fd, offset + (long long)count, count)) return next(fd, bytes, count, offset);
  errno = EDQUOT;
  return -1;
}

ssize_t write(int fd, const void *bytes, size_t count) {
  static ssize_t (*next)(int, const void *, size_t);
  if (!next) next = dlsym(RTLD_NEXT, "write");
  if (!is_too_much(fd, -1, count)) return next(fd, bytes, count);
  errno = EDQUOT;
  return -1;
}
