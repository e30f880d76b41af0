// Files of the state directory: read, replaced whole or not at all, and secrets kept secret. Every error is a sentence
// with the path in it and what to do.
#pragma once
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace ginnel {

inline constexpr size_t file_bytes_max = 16 * 1024 * 1024;

bool file_exists(const std::string& path);

/// The whole file. Errc::usage if it does not exist (or is a directory, or too long), permission.
Result<std::string> read_file(const std::string& path);

/// read_file for keys: refuses (Errc::permission) a file that group or others can read or write, that belongs to
/// somebody else, or that is not a regular file.
Result<std::string> read_secret_file(const std::string& path);

enum class Existing {
  replace,  ///< readers see the old content or the new, never a part
  keep,     ///< if the file exists, nothing is written and that is no error: of several writers the first one wins
};

/// Writes to a temporary file beside it, syncs, and puts it in place. `mode` is exact, whatever the umask. Nothing is
/// returned if all went well; Errc::permission, usage (no such directory), internal (disk full).
std::optional<Error> write_file(const std::string& path, std::string_view content, mode_t mode,
                                Existing existing = Existing::replace);

/// Creates the directory (and those above it) with mode 0700. One that exists is used as it is, but refused with
/// Errc::permission if others can write in it or somebody else owns it: they could exchange the keys.
std::optional<Error> ensure_private_directory(const std::string& path);

}  // namespace ginnel
