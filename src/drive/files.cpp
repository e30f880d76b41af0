#include "drive/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "drive/fd.hpp"
#include "drive/socket_address.hpp"

namespace ginnel {

namespace {

Error file_error(int error, const std::string& path, std::string_view what) {
  std::string start = path + " cannot be " + std::string(what);
  switch (error) {
    case EACCES:
    case EPERM:
      return {Errc::permission, start + " by this user. Check who owns it and its directory."};
    case EROFS:
      return {Errc::permission, start + ": the file system is read-only. Choose another place."};
    case ENOENT:
      return {Errc::usage, path + (what == "read" ? " does not exist." : " cannot be written: no such directory.")};
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
      return {Errc::usage, start + ": " + errno_text(error) + ". Check the path."};
    default:
      return {Errc::internal, start + ": " + errno_text(error) + "."};
  }
}

std::string octal(mode_t mode) {
  std::array<char, 8> text;
  std::snprintf(text.data(), text.size(), "%04o", mode & 07777);
  return text.data();
}

std::string parent_of(const std::string& path) {
  size_t slash = path.find_last_not_of('/');
  slash = slash == path.npos ? path.npos : path.rfind('/', slash);
  if (slash == path.npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<std::string> read_all(int fd, const std::string& path) {
  std::string content;
  std::array<char, 16 * 1024> piece;
  while (true) {
    ssize_t n = ::read(fd, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file_error(errno, path, "read");
    if (n == 0) return content;
    content.append(piece.data(), static_cast<size_t>(n));
    if (content.size() > file_bytes_max) return Error{Errc::usage, path + " is too long to be what it should be."};
  }
}

bool write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    content.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

}  // namespace

bool file_exists(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0;
}

Result<std::string> read_file(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return file_error(errno, path, "read");
  return read_all(fd.get(), path);
}

Result<std::string> read_secret_file(const std::string& path) {
  // NONBLOCK: a FIFO in its place must not hang us before fstat can refuse it.
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return file_error(errno, path, "read");
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) return file_error(errno, path, "read");
  if (!S_ISREG(info.st_mode)) return Error{Errc::permission, "The key file " + path + " is not a regular file."};
  if (info.st_mode & 0077)
    return Error{Errc::permission, "The key file " + path + " can be " + (info.st_mode & 0044 ? "read" : "changed") +
                                       " by others (mode " + octal(info.st_mode) + "). Run: chmod 600 " + path};
  if (info.st_uid != ::geteuid() && info.st_uid != 0)
    return Error{Errc::permission, "The key file " + path + " belongs to another user. Run: chown $USER " + path};
  return read_all(fd.get(), path);
}

std::optional<Error> write_file(const std::string& path, std::string_view content, mode_t mode, Existing existing) {
  std::string temporary = path + ".XXXXXX";
  Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return file_error(errno, path, "written");
  bool done = ::fchmod(fd.get(), mode) == 0 && write_all(fd.get(), content) && ::fsync(fd.get()) == 0;
  if (done && existing == Existing::replace) {
    done = ::rename(temporary.c_str(), path.c_str()) == 0;
  } else if (done) {
    // link() alone creates "only if there is none" in one step.
    done = ::link(temporary.c_str(), path.c_str()) == 0 || errno == EEXIST;
  }
  int error = errno;
  if (!done || existing == Existing::keep) ::unlink(temporary.c_str());
  if (!done) return file_error(error, path, "written");
  // Without this the new name may be forgotten in a power cut, though the content was kept.
  Fd directory(::open(parent_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory) ::fsync(directory.get());
  return {};
}

std::optional<Error> ensure_private_directory(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) {
    if (errno != ENOENT) return file_error(errno, path, "used");
    std::string parent = parent_of(path);
    if (!file_exists(parent)) {
      if (auto error = ensure_private_directory(parent)) return error;
    }
    // EEXIST: another process was faster.
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return file_error(errno, path, "created");
    if (::stat(path.c_str(), &info) != 0) return file_error(errno, path, "used");
  }
  if (!S_ISDIR(info.st_mode)) return file_error(ENOTDIR, path, "used as a directory");
  if (info.st_uid != ::geteuid() && info.st_uid != 0)
    return Error{Errc::permission, "The directory " + path + " belongs to another user. Choose another."};
  if (info.st_mode & 0022)
    return Error{Errc::permission, "Others can write in the directory " + path + " (mode " + octal(info.st_mode) +
                                       "). Run: chmod 700 " + path};
  return {};
}

}  // namespace ginnel
