// `khipu verify-proof`: what a proof document shows, checked with nothing but a verifier key.
#include <nlohmann/json.hpp>

#include "engine/base/time.h"
#include "engine/cli/commands.h"
#include "engine/cli/output.h"
#include "engine/cli/root.h"
#include "engine/proof/check.h"

namespace khipu::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string reference(const codec::VersionRecord& version) {
  return std::string(version.type) + ":" + std::string(version.id);
}

Json checkpoint_json(const tree::Checkpoint& checkpoint) {
  return {{"origin", checkpoint.origin}, {"size", checkpoint.size}, {"root", base64(checkpoint.root)}};
}
std::string checkpoint_line(const char* what, const tree::Checkpoint& checkpoint) {
  return std::string(what) + printable(checkpoint.origin) + ", size " + std::to_string(checkpoint.size) + ", root " +
         base64(checkpoint.root);
}

class VerifyProofCommand final : public Command {
 public:
  std::string name() const override { return "verify-proof"; }
  std::string summary() const override { return "Check a proof document with a verifier key; needs no log"; }
  std::string details() const override {
    return "Recomputes the leaf of every record, walks the paths to the signed checkpoints and checks that the "
           "TABLE_HEAD\n"
           "statement binds the table to the log's spine. Then prints what the document shows. It shows that the log's "
           "key signed\n"
           "this, not that what was written is true.\n\n"
           "Example:\n  khipu verify-proof --key audit.vkey event-41207.json\n\n"
           "Exit codes: 0 right, 1 wrong, 3 not a proof document, or usage.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("FILE", file_, "the document; - for standard input");
    arguments.text(
        "--key", key_, "VKEY",
        "wanted: the log's verifier key, NAME+ID+BASE64, as `khipu keys export` prints it, or a file with it");
  }

  Result<Exit> run(Output& output) override {
    if (key_.empty()) return Error{Code::kInvalid, "--key: whose signature? give the vkey you were handed"};
    KHIPU_TRY_ASSIGN(const tree::VerifierKey key, read_vkey(key_));
    KHIPU_TRY_ASSIGN(const std::string text, read_input_file(file_, proof::kDocumentSizeMax));
    KHIPU_TRY_ASSIGN(const proof::Document document, at(printable(file_), proof::parse_document(text)));
    return std::visit([&](const auto& bundle) { return tell(output, bundle, key); }, document);
  }

 private:
  static Exit wrong(Output& output, const std::string& why) {
    if (output.json()) {
      output.document({{"schema", "khipu.verify-proof/v1"}, {"right", false}, {"why", why}});
    } else {
      output.line("WRONG: " + why);
    }
    return Exit::kFinding;
  }

  static Exit tell(Output& output, const proof::EventBundle& bundle, const tree::VerifierKey& key) {
    const proof::CheckedEvent checked = proof::check(bundle, key);
    if (!checked.right) return wrong(output, checked.why);
    const auto named = [&](const codec::Pin& pin) {
      for (const auto& [row, version] : checked.pinned) {
        if (row == pin.version) return reference(version);
      }
      return std::string();
    };
    std::vector<std::string> targets;
    for (const codec::Pin& target : checked.event.targets) targets.push_back(named(target));
    if (output.json()) {
      output.document({{"schema", "khipu.verify-proof/v1"},
                       {"right", true},
                       {"shows", "event"},
                       {"seq", bundle.seq.value},
                       {"occurred_at", format_rfc3339(checked.event.occurred_at)},
                       {"recorded_at", format_rfc3339(checked.event.recorded_at)},
                       {"actor", named(checked.event.actor)},
                       {"action", std::string(checked.event.action)},
                       {"outcome", std::string(codec::name(checked.event.outcome))},
                       {"targets", targets},
                       {"checkpoint", checkpoint_json(checked.table)},
                       {"meta_checkpoint", checkpoint_json(checked.meta)}});
      return Exit::kOk;
    }
    std::string line = "event " + std::to_string(bundle.seq.value) + ": " + format_rfc3339(checked.event.occurred_at) +
                       "  " + printable(named(checked.event.actor)) + "  " + printable(checked.event.action) + "  " +
                       std::string(codec::name(checked.event.outcome));
    for (const std::string& target : targets) line += "  " + printable(target);
    output.line("RIGHT: this event is in the log");
    output.line(line);
    output.line("recorded " + format_rfc3339(checked.event.recorded_at) + ", " + std::to_string(checked.pinned.size()) +
                " entity versions proven with it");
    output.line(checkpoint_line("checkpoint ", checked.table));
    output.line(checkpoint_line("bound by ", checked.meta));
    return Exit::kOk;
  }

  static Exit tell(Output& output, const proof::RangeBundle& bundle, const tree::VerifierKey& key) {
    const proof::CheckedRange checked = proof::check(bundle, key);
    if (!checked.right) return wrong(output, checked.why);
    const uint64_t to = bundle.from.value + bundle.records.size();
    if (output.json()) {
      output.document({{"schema", "khipu.verify-proof/v1"},
                       {"right", true},
                       {"shows", "range"},
                       {"from", bundle.from.value},
                       {"to", to},
                       {"checkpoint", checkpoint_json(checked.table)},
                       {"meta_checkpoint", checkpoint_json(checked.meta)}});
      return Exit::kOk;
    }
    output.line("RIGHT: events " + std::to_string(bundle.from.value) + " to " + std::to_string(to - 1) +
                " are in the log, complete and in order");
    output.line(checkpoint_line("checkpoint ", checked.table));
    output.line(checkpoint_line("bound by ", checked.meta));
    return Exit::kOk;
  }

  static Exit tell(Output& output, const proof::ConsistencyBundle& bundle, const tree::VerifierKey& key) {
    const proof::CheckedConsistency checked = proof::check(bundle, key);
    if (!checked.right) return wrong(output, checked.why);
    if (output.json()) {
      output.document({{"schema", "khipu.verify-proof/v1"},
                       {"right", true},
                       {"shows", "consistency"},
                       {"old_checkpoint", checkpoint_json(checked.old_checkpoint)},
                       {"new_checkpoint", checkpoint_json(checked.new_checkpoint)}});
      return Exit::kOk;
    }
    output.line("RIGHT: the new checkpoint extends the old one; nothing in the old one was changed");
    output.line(checkpoint_line("old ", checked.old_checkpoint));
    output.line(checkpoint_line("new ", checked.new_checkpoint));
    return Exit::kOk;
  }

  std::string file_, key_;
};

}  // namespace

std::unique_ptr<Command> make_verify_proof_command() { return std::make_unique<VerifyProofCommand>(); }

}  // namespace khipu::cli
