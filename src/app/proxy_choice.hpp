// Which HTTP proxy an agent may use to reach its server, if any: the command line's, else the environment's.
#pragma once
#include <optional>
#include <string>

#include "app/report.hpp"
#include "base/http_proxy.hpp"
#include "base/result.hpp"

namespace ginnel::app {

struct ProxyOptions {
  std::string url;          ///< --proxy; it counts for every host
  std::string environment;  ///< what other programs use, and is not ours to complain about
  std::string no_proxy;     ///< hosts for which the environment's is not meant
};

/// An environment that names a proxy we cannot use is told and passed over: the direct ways are tried anyway.
Result<std::optional<HttpProxy>> choose_proxy(const ProxyOptions& options, const std::string& server_host,
                                              const Reporter& report);

}  // namespace ginnel::app
