#include "cli/nat_command.hpp"

#include <boost/json.hpp>
#include <cstdio>

#include "app/nat_words.hpp"
#include "cli/nat_show.hpp"

namespace ginnel::cli {

namespace json = boost::json;

CLI::App* NatCommand::add_to(CLI::App& cli, Common& common, Role& role) {
  common_ = &common;
  auto* nat = cli.add_subcommand("nat", "Be a NAT gateway: one network's hosts reach another by one address");
  nat->add_option("--inside", options_.inside, "Interfaces of the hosts inside; may be repeated")
      ->delimiter(',')
      ->type_name("IFACE,..");
  nat->add_option("--outside", options_.outside, "Interface that leads outside")->type_name("IFACE");
  nat->add_option("--public", options_.publics, "Address to use outside; may be repeated (those of --outside)")
      ->type_name("ADDR");
  nat->add_option("--preset", options_.preset, "How to behave: `ginnel nat presets` lists them (rfc)")
      ->type_name("NAME");
  nat->add_option("--set", options_.set, "Change one knob of the preset: `ginnel nat knobs`; may be repeated")
      ->type_name("KNOB=VALUE");
  nat->add_option("--forward", options_.forward, "Let outsiders in at this port; may be repeated")
      ->type_name("udp|tcp:PORT=HOST:PORT");
  nat->add_flag("--pcp", options_.pcp, "Let hosts inside make mappings by PCP (RFC 6887)");
  nat->add_flag("--nat-pmp", options_.nat_pmp, "... by NAT-PMP (RFC 6886)");
  nat->add_flag("--upnp", options_.upnp, "... by UPnP IGD");
  nat->add_option("--control", options_.control, "Socket of the commands below (nat.sock in the state folder)")
      ->type_name("PATH");
  nat->add_option("--capture-inside", options_.capture_inside, "Write what passes on the inside to this pcap file")
      ->type_name("FILE");
  nat->add_option("--capture-outside", options_.capture_outside, "... on the outside")->type_name("FILE");
  add_lists(nat, role);
  add_show(nat, role);
  add_commands(nat, role);
  nat->callback([this, nat, &role] {
    if (!nat->get_subcommands().empty()) return;
    if (options_.inside.empty()) throw CLI::RequiredError("--inside");
    if (options_.outside.empty()) throw CLI::RequiredError("--outside");
    role = [this](auto& report) { return app::run_nat(common_->options, options_, report); };
  });
  return nat;
}

std::string NatCommand::control_path() const {
  return options_.control.empty() ? common_->options.state + "/nat.sock" : options_.control;
}

CLI::App* NatCommand::add(CLI::App* nat, const char* name, const char* text, Role& role, Role job) {
  auto* command = nat->add_subcommand(name, text);
  command->fallthrough();  // --control, --json and --state may stand behind it
  command->callback([&role, job = std::move(job)] { role = job; });
  return command;
}

void NatCommand::add_lists(CLI::App* nat, Role& role) {
  add(nat, "presets", "List the ways to behave", role, [this](const app::Reporter& report) -> std::optional<Error> {
    for (const auto& each : nat::presets()) {
      std::string name(each.name), text(nat::preset_text(name));
      char line[256];
      std::snprintf(line, sizeof line, "%-22s%s\n", name.c_str(), text.c_str());
      if (common_->json)
        report({app::Report::Kind::line, "preset", {{"name", name}, {"text", text}}, ""});
      else
        std::fputs(line, stdout);
    }
    return {};
  });
  auto* knobs =
      add(nat, "knobs", "List everything that can be set, its value and what it takes", role,
          [this](const app::Reporter& report) -> std::optional<Error> {
            auto behaviour = app::parse_preset(options_.preset);
            if (!behaviour) return behaviour.error();
            for (std::string_view knob : nat::knob_names()) {
              std::string name(knob), value = nat::knob_value(*behaviour, knob), takes;
              std::vector<std::string> words;
              for (std::string_view word : nat::knob_words(knob)) words.emplace_back(word);
              for (const auto& word : words) takes += (takes.empty() ? "" : "|") + word;
              if (common_->json)
                report({app::Report::Kind::line, "knob", {{"name", name}, {"value", value}, {"words", words}}, ""});
              else
                std::printf("%-26s%-28s%s\n", name.c_str(), value.c_str(), takes.empty() ? "a number" : takes.c_str());
            }
            return {};
          });
  knobs->add_option("--preset", options_.preset, "Values of this preset (rfc)")->type_name("NAME");
}

void NatCommand::add_show(CLI::App* nat, Role& role) {
  auto* show = add(nat, "show", "Show a running gateway's mappings and counters", role,
                   [this](const app::Reporter&) { return show_nat(control_path(), common_->json, watch_); });
  show->add_flag("--watch", watch_, "Again every second");
}

void NatCommand::add_commands(CLI::App* nat, Role& role) {
  auto send = [this](auto make) {
    return [this, make](const app::Reporter&) { return command_nat(control_path(), json::serialize(make())); };
  };
  add(nat, "reboot", "Drop every mapping, as if the power had failed", role, send([] {
        return json::object{{"command", "reboot"}};
      }));

  auto* address =
      add(nat, "address", "Use these public addresses from now on; none: those of the interface", role, send([this] {
            json::array list;
            for (const auto& one : addresses_) list.emplace_back(one);
            return json::object{{"command", "address"}, {"addresses", list}};
          }));
  address->add_option("addresses", addresses_)->type_name("ADDR..");

  auto* set =
      add(nat, "set", "Turn one knob; one that decides which mappings there are drops them all", role, send([this] {
            return json::object{{"command", "set"}, {"knob", word_}};
          }));
  set->add_option("knob", word_)->required()->type_name("KNOB=VALUE");

  auto* forward = add(nat, "forward", "Let outsiders in at a port, or no longer", role, send([this] {
                        return json::object{{"command", "forward"}, {remove_ ? "remove" : "add", word_}};
                      }));
  forward->add_option("forward", word_)->required()->type_name("udp|tcp:PORT=HOST:PORT");
  forward->add_flag("--remove", remove_, "No longer; udp|tcp:PORT is enough");

  auto* capture =
      add(nat, "capture", "Write what passes on a side to a pcap file, or no longer", role, send([this] {
            return json::object{{"command", "capture"}, {"side", side_}, {"file", file_ == "off" ? "" : file_}};
          }));
  capture->add_option("side", side_)
      ->required()
      ->check(CLI::IsMember({"inside", "outside"}))
      ->type_name("inside|outside");
  capture->add_option("file", file_)->required()->type_name("FILE|off");
}

}  // namespace ginnel::cli
