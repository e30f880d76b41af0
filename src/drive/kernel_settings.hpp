// Settings below /proc/sys that a role changes while it runs. Remembers what was there and puts it back.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace ginnel {

class KernelSettings {
 public:
  KernelSettings() = default;
  KernelSettings(const KernelSettings&) = delete;
  KernelSettings& operator=(const KernelSettings&) = delete;
  /// Puts everything back, the last change first; what is gone meanwhile (an interface) is passed over.
  ~KernelSettings();

  /// "net/ipv4/conf/eth0/forwarding", "1". Nothing is written, so nothing may be refused, if it has that value already.
  std::optional<Error> set(const std::string& path, const std::string& value);
  /// Nothing if there is no such setting.
  static std::optional<std::string> get(const std::string& path);

 private:
  std::vector<std::pair<std::string, std::string>> before_;
};

}  // namespace ginnel
