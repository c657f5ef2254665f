/** The largest payload of one message in bytes (JSON: of its UTF-8 text): 64 MiB. */
export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/** The most file descriptors that travel with one message; the kernel's own limit. */
export const MAX_MESSAGE_FDS = 253;

/** The longest socket path, or abstract name without its leading NUL, in bytes. */
export const MAX_PATH_BYTES = 107;
