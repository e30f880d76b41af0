#include <CLI/CLI.hpp>
#include <cstdlib>
#include <functional>
#include <string>

#include "app/roles.hpp"
#include "cli/lab_commands.hpp"
#include "cli/nat_command.hpp"
#include "cli/output.hpp"
#include "drive/process_limits.hpp"

namespace {

using namespace ginnel;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string default_state() {
  if (auto xdg = environment("XDG_STATE_HOME"); !xdg.empty()) return xdg + "/ginnel";
  if (auto home = environment("HOME"); !home.empty()) return home + "/.local/state/ginnel";
  return "/var/lib/ginnel";
}

std::string config_file() {
  if (auto xdg = environment("XDG_CONFIG_HOME"); !xdg.empty()) return xdg + "/ginnel/config.toml";
  return environment("HOME") + "/.config/ginnel/config.toml";
}

/// The first of them that says something.
std::string environment(std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (auto value = environment(name); !value.empty()) return value;
  return "";
}

void add_common(CLI::App* command, cli::Common& common) {
  command->add_option("--state", common.options.state, "Folder for keys (" + default_state() + ")")->type_name("DIR");
  command->add_flag("--json", common.json, "One JSON object a line instead of text");
  command->add_flag("-v,--verbose", common.verbosity, "Say more");
}

void add_peer_options(CLI::App* command, app::PeerOptions& options) {
  command->add_flag("--relay-only", options.relay_only, "Tell the other side no addresses: stay on the relay");
  command->add_flag("!--no-port-mapping", options.map_ports, "Do not ask the router to let the other side in (PCP, NAT-PMP, UPnP)");
  command->add_flag("!--no-search", options.search, "Do not search for the ports of symmetric NATs");
  app::ProxyOptions& proxy = options.proxy;
  proxy.environment = environment({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"});
  proxy.no_proxy = environment({"no_proxy", "NO_PROXY"});
  command->add_option("--proxy", proxy.url, "HTTP proxy that may lead to the server ($https_proxy): http://[USER:PASSWORD@]HOST:PORT")->type_name("URL");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App cli{"ginnel connects two applications through whatever NATs stand between them."};
  cli.require_subcommand(1);
  cli.set_version_flag("--version", "ginnel " GINNEL_VERSION);
  cli.set_config("--config", config_file(), "Settings, such as  [expose]  server = \"ginnel-server://...\"");
  cli.failure_message([](const CLI::App*, const CLI::Error& e) { return "ginnel: " + std::string(e.what()) + ". See ginnel --help.\n"; });
  cli::Common common;
  common.options.state = default_state();
  cli::Role role;
  bool data_on_stdout = false;

  app::ServerOptions server;
  auto* server_command = cli.add_subcommand("server", "Introduce peers to each other and relay for them");
  server_command->add_option("--listen", server.listen, "Where to listen, UDP and TCP; may be repeated (0.0.0.0:3478, [::]:3478)")->type_name("ADDR:PORT");
  server_command->add_option("--host", server.host, "Name or address to put in the URL")->type_name("HOST");
  server_command->add_option("--allow-key", server.allow, "Serve only this key; may be repeated")->type_name("PEER");
  server_command->add_option("--tls-cert", server.tls_certificate, "Certificate for TLS on the TCP ports, PEM (one made at the start)")->type_name("FILE");
  server_command->add_option("--tls-key", server.tls_key, "Its key, PEM")->type_name("FILE");
  server_command->callback([&] { role = [&](auto& report) { return app::run_server(common.options, server, report); }; });

  app::ExposeOptions expose;
  auto* expose_command = cli.add_subcommand("expose", "Make a service reachable: run it beside the service");
  expose_command->add_option("target", expose.target, "The service: PORT, HOST:PORT or unix:PATH")->required()->type_name("TARGET");
  expose_command->add_option("--server", expose.server, "The server's URL")->envname("GINNEL_SERVER")->type_name("URL");
  expose_command->add_option("--name", expose.name, "Name of the service; it keeps its ticket (from TARGET)");
  expose_command->add_option("--allow", expose.allow, "Let in this peer only, with any ticket; may be repeated")->type_name("PEER");
  expose_command->add_option("--expires", expose.expires, "The ticket ends after 30m, 12h, 7d ... (never)")->type_name("TIME");
  expose_command->add_option("--forward", expose.forwards, "Your router forwards this public address, UDP and TCP, to us (LOCALPORT: that PORT); may be repeated")->type_name("ADDR:PORT[=LOCALPORT]");
  add_peer_options(expose_command, expose);
  expose_command->callback([&] { role = [&](auto& report) { return app::run_expose(common.options, expose, report); }; });

  app::ConnectOptions connect;
  auto* connect_command = cli.add_subcommand("connect", "Use a service: opens a local port that leads to it");
  connect_command->add_option("ticket", connect.ticket, "As `ginnel expose` printed it")->required()->type_name("TICKET");
  auto* listen = connect_command->add_option("--listen", connect.listen, "Where applications connect (127.0.0.1, a free port)")->type_name("ADDR:PORT");
  connect_command->add_flag("--stdio", connect.stdio, "Use stdin and stdout instead of a port: for ssh's ProxyCommand")->excludes(listen);
  add_peer_options(connect_command, connect);
  connect_command->callback([&] {
    data_on_stdout = connect.stdio;
    role = [&](auto& report) { return app::run_connect(common.options, connect, report); };
  });

  app::PingOptions ping;
  auto* ping_command = cli.add_subcommand("ping", "Show the path to a service, its round trip, and each change with its reason");
  ping_command->add_option("ticket", ping.ticket, "As `ginnel expose` printed it")->required()->type_name("TICKET");
  ping_command->add_option("-c,--count", ping.count, "Stop after so many (never)");
  ping_command->add_option("-i,--interval", ping.interval, "Seconds between two (1)")->check(CLI::Range(0.05, 3600.0));
  add_peer_options(ping_command, ping);
  ping_command->callback([&] { role = [&](auto& report) { return app::run_ping(common.options, ping, report); }; });

  app::CheckOptions check;
  auto* check_command = cli.add_subcommand("check", "What this network's NAT does, and what will connect through it");
  check_command->add_option("--server", check.server, "The server's URL")->envname("GINNEL_SERVER")->type_name("URL");
  check_command->add_flag("--lifetime", check.lifetime, "Also how long an idle mapping lives (three minutes)");
  check_command->callback([&] { role = [&](auto& report) { return app::run_check(check, report); }; });

  auto* id_command = cli.add_subcommand("id", "Print this machine's peer id, for `expose --allow` on another");
  id_command->callback([&] {
    role = [&](auto& report) -> std::optional<Error> {
      auto id = app::peer_id(common.options);
      if (!id) return id.error();
      report({app::Report::Kind::line, "id", {{"id", *id}}, *id});
      return {};
    };
  });
  cli::NatCommand nat;
  auto* nat_command = nat.add_to(cli, common, role);
  for (auto* command : {nat_command, server_command, expose_command, connect_command, ping_command, check_command, id_command}) add_common(command, common);

  std::function<int()> lab_command;
  cli::add_lab_commands(cli, cli::cut_off_command(argc, argv), lab_command);

  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return cli.exit(e) == 0 ? 0 : static_cast<int>(Errc::usage);
  }
  if (lab_command) return lab_command();
  ignore_sigpipe();
  cli::Output output(common.json, common.verbosity, data_on_stdout);
  try {
    auto error = role([&](const app::Report& report) { output.report(report); });
    return error ? output.fail(*error) : 0;
  } catch (const std::exception& e) {  // start-up failures of drive/: no epoll, no memory
    return output.fail({Errc::internal, std::string("This should not happen: ") + e.what() + ". Please report it."});
  }
}
