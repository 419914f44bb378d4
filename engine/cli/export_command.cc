// `khipu export`: all events that match as NDJSON, the form `khipu append` takes.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "engine/cli/commands.h"
#include "engine/cli/output.h"
#include "engine/cli/query_access.h"
#include "engine/cli/read_report.h"
#include "engine/cli/root.h"
#include "engine/os/clock.h"
#include "engine/query/print.h"

namespace khipu::cli {
namespace {

constexpr uint64_t kRowsBetweenLooks = 256;  // at stdout and the progress bar

// As input a field that is not named stays as it was: one that was taken away since the entity was last written out has
// to be named, with null, and one that was deleted and came back without fields has to be said to be there. Remembers
// of each entity which fields it was written with.
class TakenAway {
 public:
  // The event as it is to be written: itself, or `changed`.
  const query::EventRow& written(const query::EventRow& event, query::EventRow& changed) {
    bool any = false;
    const auto entity = [&](const query::EntityView& view, const auto& place) {
      if (view.missing) return;
      std::vector<std::string> names;
      if (!view.deleted) {
        for (const query::NamedOwnedValue& field : view.fields) names.push_back(field.name);
        std::sort(names.begin(), names.end());
      }
      Known& known = known_[view.entity];
      if (known.names != nullptr && *known.names == names && known.deleted == view.deleted) return;
      const Known before = std::exchange(known, {&*names_.insert(std::move(names)).first, view.deleted});
      if (view.deleted) return;
      const auto change = [&]() -> query::EntityView& {
        if (!std::exchange(any, true)) changed = event;
        return place();
      };
      // Of one that is met for the first time, and not in its first version, its end may have been left out or written
      // by an export before this one.
      const bool unknown = before.names == nullptr && view.version > 0 && known.names->empty();
      if (before.deleted || unknown) change().says_alive = true;
      if (before.names == nullptr || before.deleted) return;  // what comes back after its end begins anew
      for (const std::string& name : *before.names) {
        if (std::binary_search(known.names->begin(), known.names->end(), name)) continue;
        query::OwnedValue null;
        null.kind = codec::Value::Kind::kJson;
        null.text = "null";
        change().fields.push_back({name, std::move(null)});
      }
    };
    entity(event.actor, [&]() -> query::EntityView& { return changed.actor; });
    for (size_t i = 0; i < event.targets.size(); ++i) {
      entity(event.targets[i], [&, i]() -> query::EntityView& { return changed.targets[i]; });
    }
    if (event.on_behalf_of) {
      entity(*event.on_behalf_of, [&]() -> query::EntityView& { return *changed.on_behalf_of; });
    }
    return any ? changed : event;
  }

 private:
  struct Known {
    const std::vector<std::string>* names = nullptr;
    bool deleted = false;
  };
  std::set<std::vector<std::string>> names_;  // few: there are not many kinds of entities
  std::map<Row, Known> known_;
};

class ExportCommand final : public Command {
 public:
  std::string name() const override { return "export"; }
  std::string summary() const override { return "Write the events that match a filter as NDJSON, oldest first"; }
  std::string details() const override {
    return std::string(
               "One canonical event a line, with the entities' fields as they were then: what `khipu append` takes.\n"
               "A field that an entity had in a line before and has no more is null; \"deleted\":false stands where "
               "an\n"
               "entity came back after its end. Where a filter leaves out all of an entity in front of its end, "
               "append\n"
               "refuses that end, as of one it does not know.\n"
               "What is sealed comes as {\"withheld\":...}, which no append takes, unless --keys opens it: then lines "
               "hold\n"
               "it in the clear for the log they are appended to, which seals it anew, and a running writer records\n"
               "that it was read. What is kept as a digest cannot be opened by anybody.\n"
               "With --json each line is a khipu.event/v1 document instead: with seq, uid, recorded_at and versions.\n"
               "Every event was checked up to the signed root; one that fails is left out, said on stderr, and the "
               "exit\n"
               "code is 1. The state it was made from (size and root) is said on stderr at the end.\n") +
           FilterArguments::details() + "\nExample:\n  khipu export /srv/audit --from 2026-Q2 > q2.jsonl\n\n" +
           "Exit codes: 0 all written, 1 something is wrong with the log, 3 not written.";
  }
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "directory of the log");
    filter_.declare(arguments);
    arguments.text("--key", key_, "KEY", kVerifierKeyHelp);
    arguments.texts("--keys", role_keys_, "DIR", kRoleKeysHelp);
  }

  Result<Exit> run(Output& output) override {
    KHIPU_TRY_ASSIGN(const QueryAccess access, open_query_access(root_, key_, role_keys_));
    const auto filter = filter_.filter(os::system_clock().now());
    if (!filter.ok()) return to_error(filter.error());
    const bool opens = access.engine->can_open();
    if (opens) {  // before the first of them is printed, so how many is not known yet
      std::vector<std::string> names = filter_.names();
      names.emplace_back("keys");
      report_read(root_, {"khipu export", std::move(names), std::nullopt, std::nullopt}, output);
    }
    Progress progress("exporting");
    Result<void> written;
    uint64_t count = 0;
    std::string line;
    TakenAway taken_away;
    query::EventRow changed;
    const auto write = [&](const query::EventRow& event) {
      line.clear();
      if (output.json()) {
        query::append_event(line, event);
        line.insert(1, "\"schema\":\"khipu.event/v1\",");
      } else {
        query::append_canonical_event(line, taken_away.written(event, changed));
      }
      line += '\n';
      output.print(line);
      if (++count % kRowsBetweenLooks != 0) return true;
      progress.update(count, 0);
      written = output.check();
      return written.ok();
    };
    const auto done = access.engine->each_event(*filter, filter_.order(false), write, {}, opens);
    if (!done.ok()) return refuse(output, done.error());
    KHIPU_TRY(std::move(written));
    (void)tell(output, done->findings, done->notes);
    output.note(std::to_string(count) + " events, from a log of " + std::to_string(done->as_of.tree_size) + ", root " +
                base64(done->as_of.root));
    return done->findings_total > done->findings_shredded ? Exit::kFinding : Exit::kOk;
  }

 private:
  std::string root_, key_;
  std::vector<std::string> role_keys_;
  FilterArguments filter_;
};

}  // namespace

std::unique_ptr<Command> make_export_command() { return std::make_unique<ExportCommand>(); }

}  // namespace khipu::cli
