/*
 * A disk that loses its power, for one process: LD_PRELOAD this library.
 *
 * Everything below the folder POWERFAIL_DIR works as always, and a second folder, POWERFAIL_SHADOW, gets what a disk
 * would have after a power cut: the bytes of a file only when it is synced, the names of files (created, renamed, removed)
 * only when their folder is synced, a created file's own name also when the file is synced. After `kill -9` whoever
 * started the process puts the shadow in the place of the folder. Both must be alike when the process starts.
 *
 * POWERFAIL_CONTROL is a file of 4096 bytes that is mapped and may be written while the process runs: see `control`.
 *
 * Not seen: memory-mapped writes, splice, and system calls that go past the C library.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(off_t) == 8, "the 64-bit names are taken for the same functions");

/* Orders and answers; every field is 8 bytes, little endian on the machines this runs on. */
struct control {
    _Atomic uint64_t full;         /* orders: 1 while the disk has room for `room` more bytes only */
    _Atomic uint64_t room;
    _Atomic uint64_t skip_writes;  /* after so many good writes ... */
    _Atomic uint64_t fail_writes;  /* ... so many fail with EIO */
    _Atomic uint64_t skip_syncs;   /* the same for syncs; what a failed one should have kept is never kept later */
    _Atomic uint64_t fail_syncs;
    _Atomic uint64_t short_writes; /* 1: writes take only a part */
    _Atomic uint64_t slow_ms;      /* every write and sync takes so long */
    _Atomic uint64_t luck;         /* of 1000 unsynced blocks or names so many reach the disk at once all the same */
    _Atomic uint64_t seed;
    _Atomic uint64_t lie;          /* 1: syncs succeed and keep nothing */
    _Atomic uint64_t spare[5];
    _Atomic uint64_t writes;       /* answers: calls seen, faults made */
    _Atomic uint64_t syncs;
    _Atomic uint64_t faults;
};

#define CONTROL_SIZE 4096
#define BLOCK 4096
#define MOST_FDS 65536

struct extent { off_t from, to; };

/* A file below the folder, by its inode. */
struct file {
    dev_t dev;
    ino_t ino;
    char *path;   /* its name now, relative to the folder */
    char *shadow; /* its name in the shadow; NULL while it has none */
    int gone;     /* it has no name any more */
    off_t allocated;
    struct extent *dirty;
    size_t dirty_len, dirty_room;
    struct file *next;
};

enum kind { CREATE, MKDIR, RENAME, UNLINK, RMDIR, LINK };

/* A change of names that no sync has made durable. */
struct op {
    enum kind kind;
    char *from, *to;
    struct file *file;
    struct op *next;
};

enum { UNKNOWN, FOREIGN, TRACKED, FOLDER };

static struct control disabled, *control = &disabled;
static char dir[PATH_MAX], shadow[PATH_MAX];
static size_t dir_len;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *files;
static struct op *ops, **ops_end = &ops;
static _Atomic unsigned char fd_state[MOST_FDS];
static struct file *fd_file[MOST_FDS];
static uint64_t chance;

#define REAL(name) ((__typeof__(&name))real(#name, &real_##name))
#define DECLARE(name) static void *_Atomic real_##name

DECLARE(open); DECLARE(openat); DECLARE(close); DECLARE(write); DECLARE(pwrite); DECLARE(writev); DECLARE(pwritev);
DECLARE(pwritev2); DECLARE(ftruncate); DECLARE(fallocate); DECLARE(posix_fallocate);
DECLARE(fsync); DECLARE(fdatasync); DECLARE(sync_file_range); DECLARE(rename); DECLARE(renameat);
DECLARE(renameat2); DECLARE(unlink); DECLARE(unlinkat); DECLARE(rmdir); DECLARE(mkdir); DECLARE(mkdirat);
DECLARE(link); DECLARE(linkat); DECLARE(dup2); DECLARE(dup3); DECLARE(copy_file_range); DECLARE(sendfile);

static void *real(const char *name, void *_Atomic *slot) {
    void *found = *slot;
    if (!found) *slot = found = dlsym(RTLD_NEXT, name);
    return found;
}

static void fail(const char *what) {
    fprintf(stderr, "powerfail: %s: %s\n", what, strerror(errno));
    abort();
}

__attribute__((constructor)) static void start(void) {
    const char *folder = getenv("POWERFAIL_DIR"), *copy = getenv("POWERFAIL_SHADOW");
    const char *orders = getenv("POWERFAIL_CONTROL");
    if (!folder || !copy) return;
    if (!realpath(folder, dir) || !realpath(copy, shadow)) fail("folder");
    dir_len = strlen(dir);
    if (orders) {
        int fd = REAL(open)(orders, O_RDWR | O_CLOEXEC);
        if (fd < 0) fail(orders);
        control = mmap(NULL, CONTROL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (control == MAP_FAILED) fail(orders);
        REAL(close)(fd);
    }
    chance = control->seed ^ (uint64_t)getpid() << 32;
}

static uint64_t roll(void) {
    uint64_t z = chance += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static int lucky(void) { return control->luck && roll() % 1000 < control->luck; }

/* ---- names ---- */

/* What stands behind the folder in an absolute path: "" for the folder itself, NULL outside. */
static const char *below(const char *path) {
    if (!dir_len || strncmp(path, dir, dir_len) != 0) return NULL;
    if (path[dir_len] == '\0') return path + dir_len;
    return path[dir_len] == '/' ? path + dir_len + 1 : NULL;
}

/* The path relative to the folder, to be freed; NULL outside. Paths with ".." are not followed. */
static char *relative(int at, const char *path) {
    char whole[2 * PATH_MAX];
    size_t len = 0;
    if (!dir_len || !path) return NULL;
    if (path[0] != '/') {
        if (at == AT_FDCWD) {
            if (!getcwd(whole, PATH_MAX)) return NULL;
            len = strlen(whole);
        } else {
            char name[64];
            snprintf(name, sizeof name, "/proc/self/fd/%d", at);
            ssize_t got = readlink(name, whole, PATH_MAX - 1);
            if (got <= 0) return NULL;
            len = (size_t)got;
        }
    }
    for (const char *part = path; *part;) {
        size_t size = strcspn(part, "/");
        if (size == 2 && part[0] == '.' && part[1] == '.') return NULL;
        if (size && !(size == 1 && part[0] == '.')) {
            if (len + size + 2 > sizeof whole) return NULL;
            whole[len++] = '/';
            memcpy(whole + len, part, size);
            len += size;
        }
        part += size + (part[size] == '/');
    }
    whole[len] = '\0';
    const char *found = below(whole);
    return found ? strdup(found) : NULL;
}

static void in_shadow(char out[2 * PATH_MAX], const char *name) {
    snprintf(out, 2 * PATH_MAX, "%s/%s", shadow, name);
}

static void make_parents(char *path) {
    for (char *slash = path + strlen(shadow) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (REAL(mkdir)(path, 0777) < 0 && errno != EEXIST) fail(path);
        *slash = '/';
    }
}

/* Whether `name` stands directly in the folder `parent`. */
static int stands_in(const char *name, const char *parent) {
    const char *slash = name ? strrchr(name, '/') : NULL;
    size_t len = slash ? (size_t)(slash - name) : 0;
    return name && strlen(parent) == len && strncmp(name, parent, len) == 0;
}

/* ---- files ---- */

static struct file *by_inode(dev_t dev, ino_t ino) {
    for (struct file *file = files; file; file = file->next)
        if (file->dev == dev && file->ino == ino) return file;
    return NULL;
}

static struct file *new_file(const struct stat *about, const char *path) {
    struct file *file = by_inode(about->st_dev, about->st_ino);
    if (file) file->ino = 0; /* the number was given to another file */
    file = calloc(1, sizeof *file);
    if (!file) fail("memory");
    file->dev = about->st_dev;
    file->ino = about->st_ino;
    file->path = strdup(path);
    file->next = files;
    files = file;
    return file;
}

static void note(enum kind kind, const char *from, const char *to, struct file *file);

/* The file behind a descriptor, or NULL when it is none of ours; a folder of ours has the state FOLDER. */
static struct file *tracked(int fd) {
    if (!dir_len || fd < 0 || fd >= MOST_FDS) return NULL;
    unsigned char state = fd_state[fd];
    if (state == TRACKED) return fd_file[fd];
    if (state != UNKNOWN) return NULL;
    int before = errno;
    char name[64], path[PATH_MAX];
    struct stat about;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(name, path, sizeof path - 1);
    path[len < 0 ? 0 : len] = '\0';
    const char *found = below(path);
    struct file *file = NULL;
    if (!found || fstat(fd, &about) < 0 || !(S_ISREG(about.st_mode) || S_ISDIR(about.st_mode))) {
        fd_state[fd] = FOREIGN;
    } else if (S_ISDIR(about.st_mode)) {
        fd_state[fd] = FOLDER;
    } else {
        pthread_mutex_lock(&lock);
        file = by_inode(about.st_dev, about.st_ino);
        if (!file) {
            char copy[2 * PATH_MAX];
            file = new_file(&about, found);
            in_shadow(copy, found);
            if (access(copy, F_OK) == 0) file->shadow = strdup(found);
            else if (about.st_nlink) note(CREATE, NULL, found, file);
        }
        fd_file[fd] = file;
        fd_state[fd] = TRACKED;
        pthread_mutex_unlock(&lock);
    }
    errno = before;
    return file;
}

static void forget(int fd) {
    if (fd >= 0 && fd < MOST_FDS) fd_state[fd] = UNKNOWN;
}

static void soil(struct file *file, off_t from, off_t to) {
    if (to <= from) return;
    if (file->dirty_len) {
        struct extent *last = &file->dirty[file->dirty_len - 1];
        if (from >= last->from && from <= last->to) {
            if (to > last->to) last->to = to;
            return;
        }
    }
    if (file->dirty_len == file->dirty_room) {
        file->dirty_room = file->dirty_room ? 2 * file->dirty_room : 8;
        file->dirty = realloc(file->dirty, file->dirty_room * sizeof *file->dirty);
        if (!file->dirty) fail("memory");
    }
    file->dirty[file->dirty_len++] = (struct extent){from, to};
}

/* ---- the shadow's names ---- */

static void renamed_in_shadow(const char *from, const char *to) {
    size_t len = strlen(from);
    for (struct file *file = files; file; file = file->next) {
        if (!file->shadow) continue;
        if (strcmp(file->shadow, to) == 0) {
            free(file->shadow);
            file->shadow = NULL;
        } else if (strncmp(file->shadow, from, len) == 0 && (!file->shadow[len] || file->shadow[len] == '/')) {
            char *name = NULL;
            if (asprintf(&name, "%s%s", to, file->shadow + len) < 0) fail("memory");
            free(file->shadow);
            file->shadow = name;
        }
    }
}

static void removed_in_shadow(const char *name) {
    for (struct file *file = files; file; file = file->next)
        if (file->shadow && strcmp(file->shadow, name) == 0) {
            free(file->shadow);
            file->shadow = NULL;
        }
}

static void apply(const struct op *op) {
    char from[2 * PATH_MAX], to[2 * PATH_MAX];
    if (op->from) in_shadow(from, op->from);
    in_shadow(to, op->to);
    switch (op->kind) {
    case CREATE:
        if (op->file->gone || op->file->shadow) break;
        make_parents(to);
        int fd = REAL(open)(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (fd < 0) fail(to);
        REAL(close)(fd);
        op->file->shadow = strdup(op->to);
        break;
    case MKDIR:
        make_parents(to);
        REAL(mkdir)(to, 0777);
        break;
    case RENAME:
        make_parents(to);
        if (REAL(rename)(from, to) == 0) renamed_in_shadow(op->from, op->to);
        break;
    case UNLINK:
        REAL(unlink)(to);
        removed_in_shadow(op->to);
        break;
    case RMDIR:
        REAL(rmdir)(to);
        break;
    case LINK:
        REAL(link)(from, to);
        break;
    }
}

static int touches(const struct op *op, const char *name) {
    return strcmp(op->to, name) == 0 || (op->from && strcmp(op->from, name) == 0);
}

/* Applies, in their order, the changes of names that `wanted` picks, up to and with `last`. */
static void settle(int (*wanted)(const struct op *, const char *), const char *name, const struct op *last) {
    struct op **place = &ops;
    while (*place) {
        struct op *op = *place;
        int end = op == last;
        if (wanted(op, name)) {
            apply(op);
            *place = op->next;
            free(op->from);
            free(op->to);
            free(op);
        } else {
            place = &op->next;
        }
        if (end) break;
    }
    ops_end = &ops;
    while (*ops_end) ops_end = &(*ops_end)->next;
}

static int any(const struct op *op, const char *name) { (void)op; (void)name; return 1; }
static int of_folder(const struct op *op, const char *name) {
    return stands_in(op->to, name) || stands_in(op->from, name);
}

static void note(enum kind kind, const char *from, const char *to, struct file *file) {
    struct op *op = calloc(1, sizeof *op);
    if (!op) fail("memory");
    *op = (struct op){kind, from ? strdup(from) : NULL, strdup(to), file, NULL};
    *ops_end = op;
    ops_end = &op->next;
    if (lucky()) settle(any, NULL, NULL);
}

/* A file's own name becomes durable with its content. */
static void settle_creation(struct file *file) {
    for (struct op *op = ops; op; op = op->next)
        if (op->kind == CREATE && op->file == file) {
            char *name = strdup(op->to);
            settle(touches, name, op);
            free(name);
            return;
        }
}

/* ---- the shadow's bytes ---- */

static void copy(int from, int to, off_t start, off_t end) {
    static char buffer[64 * 1024];
    while (start < end) {
        size_t want = (size_t)(end - start) < sizeof buffer ? (size_t)(end - start) : sizeof buffer;
        ssize_t got = pread(from, buffer, want, start);
        if (got < 0) fail("read");
        if (got == 0) return;
        if (REAL(pwrite)(to, buffer, (size_t)got, start) != got) fail("write to the shadow");
        start += got;
    }
}

/* Opens a file for reading whose descriptor may be for writing only, and its shadow. */
static int open_both(int fd, struct file *file, int *readable, int *writable) {
    char name[64], path[2 * PATH_MAX];
    if (!file->shadow) settle_creation(file);
    if (!file->shadow || file->gone) return 0;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    in_shadow(path, file->shadow);
    *readable = REAL(open)(name, O_RDONLY | O_CLOEXEC);
    *writable = REAL(open)(path, O_WRONLY | O_CLOEXEC);
    if (*readable < 0 || *writable < 0) fail(path);
    forget(*readable);
    forget(*writable);
    return 1;
}

static void keep(int fd, struct file *file) {
    int readable, writable;
    struct stat about;
    if (open_both(fd, file, &readable, &writable)) {
        if (fstat(readable, &about) < 0) fail("stat");
        for (size_t i = 0; i < file->dirty_len; i++) {
            struct extent *part = &file->dirty[i];
            copy(readable, writable, part->from, part->to < about.st_size ? part->to : about.st_size);
        }
        if (REAL(ftruncate)(writable, about.st_size) < 0) fail("truncate the shadow");
        REAL(close)(readable);
        REAL(close)(writable);
    }
    file->dirty_len = 0;
}

/* Some of what was just written reaches the disk by itself. */
static void keep_some(int fd, struct file *file, off_t from, off_t to) {
    if (!control->luck) return;
    int readable = -1, writable = -1;
    for (off_t block = from / BLOCK * BLOCK; block < to; block += BLOCK) {
        if (!lucky()) continue;
        if (readable < 0 && !open_both(fd, file, &readable, &writable)) return;
        copy(readable, writable, block, block + BLOCK);
    }
    if (readable >= 0) {
        REAL(close)(readable);
        REAL(close)(writable);
    }
}

/* ---- faults ---- */

static void dawdle(void) {
    uint64_t ms = control->slow_ms;
    if (!ms) return;
    control->faults++;
    struct timespec time = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    nanosleep(&time, NULL);
}

/* Counts one off: whether this call is to fail. */
static int due(_Atomic uint64_t *skip, _Atomic uint64_t *left) {
    if (!*left) return 0;
    if (*skip) {
        --*skip;
        return 0;
    }
    --*left;
    control->faults++;
    return 1;
}

/* How many of so many bytes this write may take: 0 and errno when none. */
static size_t grant(const struct file *file, off_t from, size_t size) {
    control->writes++;
    dawdle();
    if (due(&control->skip_writes, &control->fail_writes)) {
        errno = EIO;
        return 0;
    }
    if (control->short_writes && size > 1) {
        control->faults++;
        pthread_mutex_lock(&lock);
        size = 1 + roll() % (size - 1);
        pthread_mutex_unlock(&lock);
    }
    if (control->full && from + (off_t)size > file->allocated) {
        if (!control->room) {
            control->faults++;
            errno = ENOSPC;
            return 0;
        }
        if (size > control->room) size = control->room;
        control->room -= size;
    }
    return size;
}

static void wrote(int fd, struct file *file, off_t from, ssize_t size) {
    if (size <= 0) return;
    int before = errno;
    pthread_mutex_lock(&lock);
    soil(file, from, from + size);
    if (fcntl(fd, F_GETFL) & O_DSYNC) keep(fd, file);
    else keep_some(fd, file, from, from + size);
    pthread_mutex_unlock(&lock);
    errno = before;
}

static void shrunk(struct file *file, off_t before, off_t after) {
    if (after < before) soil(file, after, before);
    if (control->full && after < before) control->room += (uint64_t)(before - after);
    if (file->allocated > after) file->allocated = after;
}

/* ---- the calls ---- */

static int opened(int at, const char *path, int flags, mode_t mode) {
    int special = (flags & O_CREAT) || (flags & O_TRUNC);
    char *name = special ? relative(at, path) : NULL;
    if (!name) {
        int fd = REAL(openat)(at, path, flags, mode);
        forget(fd);
        return fd;
    }
    struct stat before, about;
    pthread_mutex_lock(&lock);
    int there = fstatat(at, path, &before, 0) == 0;
    int fd = -1;
    if (!there && control->full && !control->room) {
        control->faults++;
        errno = ENOSPC;
    } else {
        fd = REAL(openat)(at, path, flags, mode);
    }
    int error = errno;
    forget(fd);
    if (fd >= 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode) && !there)
        note(CREATE, NULL, name, new_file(&about, name));
    pthread_mutex_unlock(&lock);
    if (fd >= 0 && there && (flags & O_TRUNC)) {
        struct file *file = tracked(fd);
        pthread_mutex_lock(&lock);
        if (file) shrunk(file, before.st_size, 0);
        pthread_mutex_unlock(&lock);
    }
    free(name);
    errno = error;
    return fd;
}

#define MODE                                            \
    mode_t mode = 0;                                    \
    if (flags & (O_CREAT | __O_TMPFILE)) {              \
        va_list list;                                   \
        va_start(list, flags);                          \
        mode = va_arg(list, mode_t);                    \
        va_end(list);                                   \
    }

int open(const char *path, int flags, ...) {
    MODE return opened(AT_FDCWD, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...) {
    MODE return opened(at, path, flags, mode);
}

int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int close(int fd) {
    forget(fd);
    return REAL(close)(fd);
}

int dup2(int from, int to) {
    forget(to);
    return REAL(dup2)(from, to);
}

int dup3(int from, int to, int flags) {
    forget(to);
    return REAL(dup3)(from, to, flags);
}

/* Where the next write goes. */
static off_t place(int fd) {
    struct stat about;
    if ((fcntl(fd, F_GETFL) & O_APPEND) && fstat(fd, &about) == 0) return about.st_size;
    return lseek(fd, 0, SEEK_CUR);
}

ssize_t write(int fd, const void *bytes, size_t size) {
    struct file *file = tracked(fd);
    if (!file || !size) return REAL(write)(fd, bytes, size);
    off_t from = place(fd);
    size = grant(file, from, size);
    if (!size) return -1;
    ssize_t done = REAL(write)(fd, bytes, size);
    wrote(fd, file, from, done);
    return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t from) {
    struct file *file = tracked(fd);
    if (!file || !size) return REAL(pwrite)(fd, bytes, size, from);
    size = grant(file, from, size);
    if (!size) return -1;
    ssize_t done = REAL(pwrite)(fd, bytes, size, from);
    wrote(fd, file, from, done);
    return done;
}

static size_t sum(const struct iovec *parts, int count) {
    size_t size = 0;
    for (int i = 0; i < count; i++) size += parts[i].iov_len;
    return size;
}

/* The first bytes of some parts; returns how many parts that takes. */
static int cut(const struct iovec *parts, int count, size_t size, struct iovec *out) {
    int used = 0;
    for (; used < count && size; used++) {
        out[used] = parts[used];
        if (out[used].iov_len > size) out[used].iov_len = size;
        size -= out[used].iov_len;
    }
    return used;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    struct file *file = tracked(fd);
    if (!file || count <= 0 || count > IOV_MAX) return REAL(writev)(fd, parts, count);
    off_t from = place(fd);
    size_t size = grant(file, from, sum(parts, count));
    if (!size) return -1;
    struct iovec some[IOV_MAX];
    ssize_t done = REAL(writev)(fd, some, cut(parts, count, size, some));
    wrote(fd, file, from, done);
    return done;
}

ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t from, int flags) {
    struct file *file = tracked(fd);
    if (!file || count <= 0 || count > IOV_MAX) return REAL(pwritev2)(fd, parts, count, from, flags);
    off_t start = from < 0 ? place(fd) : from;
    size_t size = grant(file, start, sum(parts, count));
    if (!size) return -1;
    struct iovec some[IOV_MAX];
    ssize_t done = REAL(pwritev2)(fd, some, cut(parts, count, size, some), from, flags);
    wrote(fd, file, start, done);
    return done;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t from) {
    struct file *file = tracked(fd);
    if (!file || count <= 0 || count > IOV_MAX) return REAL(pwritev)(fd, parts, count, from);
    return pwritev2(fd, parts, count, from, 0);
}

ssize_t copy_file_range(int in, off_t *in_at, int out, off_t *out_at, size_t size, unsigned flags) {
    struct file *file = tracked(out);
    if (!file || !size) return REAL(copy_file_range)(in, in_at, out, out_at, size, flags);
    off_t from = out_at ? *out_at : place(out);
    size = grant(file, from, size);
    if (!size) return -1;
    ssize_t done = REAL(copy_file_range)(in, in_at, out, out_at, size, flags);
    wrote(out, file, from, done);
    return done;
}

ssize_t sendfile(int out, int in, off_t *in_at, size_t size) {
    struct file *file = tracked(out);
    if (!file || !size) return REAL(sendfile)(out, in, in_at, size);
    off_t from = place(out);
    size = grant(file, from, size);
    if (!size) return -1;
    ssize_t done = REAL(sendfile)(out, in, in_at, size);
    wrote(out, file, from, done);
    return done;
}

int ftruncate(int fd, off_t size) {
    struct file *file = tracked(fd);
    struct stat before;
    if (!file || fstat(fd, &before) < 0) return REAL(ftruncate)(fd, size);
    int done = REAL(ftruncate)(fd, size);
    if (done == 0) {
        pthread_mutex_lock(&lock);
        shrunk(file, before.st_size, size);
        pthread_mutex_unlock(&lock);
    }
    return done;
}

int truncate(const char *path, off_t size) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    int done = ftruncate(fd, size), error = errno;
    close(fd);
    errno = error;
    return done;
}

int fallocate(int fd, int mode, off_t from, off_t len) {
    struct file *file = tracked(fd);
    if (!file) return REAL(fallocate)(fd, mode, from, len);
    int grows = !(mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_ZERO_RANGE));
    if (control->full && grows) {
        if ((uint64_t)len > control->room) {
            control->faults++;
            errno = ENOSPC;
            return -1;
        }
        control->room -= (uint64_t)len;
    }
    int done = REAL(fallocate)(fd, mode, from, len);
    if (done < 0) return done;
    pthread_mutex_lock(&lock);
    if (!grows) soil(file, from, from + len);
    else if (file->allocated < from + len) file->allocated = from + len;
    pthread_mutex_unlock(&lock);
    return done;
}

int posix_fallocate(int fd, off_t from, off_t len) {
    if (!tracked(fd)) return REAL(posix_fallocate)(fd, from, len);
    return fallocate(fd, 0, from, len) < 0 ? errno : 0;
}

/* A sync of either kind: 0 when it may go on. */
static int synced(int fd) {
    struct file *file = tracked(fd);
    int folder = fd >= 0 && fd < MOST_FDS && fd_state[fd] == FOLDER;
    if (!file && !folder) return 0;
    control->syncs++;
    dawdle();
    int failed = due(&control->skip_syncs, &control->fail_syncs);
    if (control->lie && !failed) return 0;
    pthread_mutex_lock(&lock);
    if (failed) {
        /* The system takes such pages for clean from now on: a later sync does not write them. */
        if (file) file->dirty_len = 0;
    } else if (file) {
        keep(fd, file);
    } else {
        char name[64], path[PATH_MAX];
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        ssize_t len = readlink(name, path, sizeof path - 1);
        path[len < 0 ? 0 : len] = '\0';
        const char *found = below(path);
        if (found) settle(of_folder, found, NULL);
    }
    pthread_mutex_unlock(&lock);
    if (failed) errno = EIO;
    return failed ? -1 : 0;
}

int fsync(int fd) { return synced(fd) < 0 ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return synced(fd) < 0 ? -1 : REAL(fdatasync)(fd); }

/* Neither keeps a file's size nor its name: nothing that could be relied on. */
int sync_file_range(int fd, off_t from, off_t len, unsigned flags) {
    return REAL(sync_file_range)(fd, from, len, flags);
}

static void name_changed(enum kind kind, const char *from, const char *to) {
    for (struct file *file = files; file; file = file->next) {
        if (kind != MKDIR && file->ino && strcmp(file->path, to) == 0 && kind != LINK) {
            file->gone = 1;
        } else if (kind == RENAME && strcmp(file->path, from) == 0) {
            free(file->path);
            file->path = strdup(to);
        }
    }
    note(kind, from, to, NULL);
}

/* Ends a call that was made under the lock: notes what it did to the names below the folder. */
static int change(enum kind kind, char *from, char *to, int done) {
    int error = errno;
    if (done == 0 && to) name_changed(kind, from, to);
    pthread_mutex_unlock(&lock);
    free(from);
    free(to);
    errno = error;
    return done;
}

static int rename_any(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    char *old = relative(from_at, from), *new = relative(to_at, to);
    pthread_mutex_lock(&lock);
    int done = flags ? REAL(renameat2)(from_at, from, to_at, to, flags) : REAL(renameat)(from_at, from, to_at, to);
    if (!old || !new) {
        free(old);
        free(new);
        pthread_mutex_unlock(&lock);
        return done;
    }
    return change(RENAME, old, new, done);
}

int rename(const char *from, const char *to) { return rename_any(AT_FDCWD, from, AT_FDCWD, to, 0); }

int renameat(int from_at, const char *from, int to_at, const char *to) {
    return rename_any(from_at, from, to_at, to, 0);
}

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    return rename_any(from_at, from, to_at, to, flags);
}

int unlinkat(int at, const char *path, int flags) {
    char *name = relative(at, path);
    struct stat about;
    pthread_mutex_lock(&lock);
    int known = name && fstatat(at, path, &about, AT_SYMLINK_NOFOLLOW) == 0;
    int done = REAL(unlinkat)(at, path, flags);
    if (done == 0 && known && control->full && S_ISREG(about.st_mode)) control->room += (uint64_t)about.st_size;
    return change(flags & AT_REMOVEDIR ? RMDIR : UNLINK, NULL, name, done);
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int at, const char *path, mode_t mode) {
    char *name = relative(at, path);
    pthread_mutex_lock(&lock);
    return change(MKDIR, NULL, name, REAL(mkdirat)(at, path, mode));
}

int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
    char *old = relative(from_at, from), *new = relative(to_at, to);
    pthread_mutex_lock(&lock);
    int done = REAL(linkat)(from_at, from, to_at, to, flags);
    if (!old || !new) {
        free(old);
        free(new);
        pthread_mutex_unlock(&lock);
        return done;
    }
    return change(LINK, old, new, done);
}

int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

/* The names of the same functions with 64-bit offsets, which Rust's standard library calls. */
#define ALSO(name, other) extern __typeof__(name) other __attribute__((alias(#name)))
ALSO(open, open64);
ALSO(openat, openat64);
ALSO(creat, creat64);
ALSO(pwrite, pwrite64);
ALSO(pwritev, pwritev64);
ALSO(pwritev2, pwritev64v2);
ALSO(ftruncate, ftruncate64);
ALSO(truncate, truncate64);
ALSO(fallocate, fallocate64);
ALSO(posix_fallocate, posix_fallocate64);
ALSO(sendfile, sendfile64);
