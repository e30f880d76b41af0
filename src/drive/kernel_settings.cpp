#include "drive/kernel_settings.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "drive/fd.hpp"
#include "drive/socket_address.hpp"

namespace ginnel {

namespace {

int write_setting(const std::string& path, const std::string& value) {
  Fd fd(::open(("/proc/sys/" + path).c_str(), O_WRONLY | O_CLOEXEC));
  return fd && ::write(fd.get(), value.data(), value.size()) >= 0 ? 0 : errno;
}

}  // namespace

KernelSettings::~KernelSettings() {
  for (auto one = before_.rbegin(); one != before_.rend(); ++one) write_setting(one->first, one->second);
}

std::optional<std::string> KernelSettings::get(const std::string& path) {
  Fd fd(::open(("/proc/sys/" + path).c_str(), O_RDONLY | O_CLOEXEC));
  char text[64];
  ssize_t n = fd ? ::read(fd.get(), text, sizeof text) : -1;
  if (n < 0) return {};
  std::string out(text, static_cast<size_t>(n));
  out.erase(std::min(out.find('\n'), out.size()));
  return out;
}

std::optional<Error> KernelSettings::set(const std::string& path, const std::string& value) {
  auto before = get(path);
  if (before == value) return {};
  int error = before ? write_setting(path, value) : ENOENT;
  if (error == 0) {
    bool known = std::any_of(before_.begin(), before_.end(), [&](const auto& one) { return one.first == path; });
    if (!known) before_.emplace_back(path, *before);
    return {};
  }
  return Error{error == ENOENT ? Errc::internal : Errc::permission,
               "/proc/sys/" + path + " has to be " + value + ", but this process cannot set it: " + errno_text(error) +
                   ". Run it as root, or set it beforehand."};
}

}  // namespace ginnel
