#include "app/proxy_choice.hpp"

#include "wire/proxy_url.hpp"

namespace ginnel::app {

Result<std::optional<HttpProxy>> choose_proxy(const ProxyOptions& options, const std::string& server_host,
                                              const Reporter& report) {
  if (!options.url.empty()) {
    auto proxy = wire::parse_proxy_url(options.url);
    if (!proxy) return Error{Errc::usage, "--proxy: " + proxy.error().text};
    return std::optional(*proxy);
  }
  if (options.environment.empty() || wire::is_exempt(options.no_proxy, server_host)) return std::optional<HttpProxy>{};
  auto proxy = wire::parse_proxy_url(options.environment);
  if (proxy) return std::optional(*proxy);
  report({Report::Kind::detail,
          "proxy_ignored",
          {{"why", proxy.error().text}},
          "the environment's proxy is not used: " + proxy.error().text});
  return std::optional<HttpProxy>{};
}

}  // namespace ginnel::app
