// What query, history and export share: their flags, a root opened for reading, errors of a question as one line.
// Not here: what a query means (engine/query), how rows look (each command).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/cli/command.h"
#include "engine/codec/access.h"
#include "engine/query/engine.h"
#include "engine/query/zone.h"

namespace khipu::cli {

// A root opened for reading, and the engine over it.
struct QueryAccess {
  std::unique_ptr<snapshot::Store> store;
  std::unique_ptr<query::Engine> engine;
  std::string caller;  // "uid:1000"
};
// `key`: --key as given. The key of cursors: engine/crypto/cursor_key.h.
// `role_keys`: --keys as given, folders with search or decrypt keys of protected fields.
Result<QueryAccess> open_query_access(const std::string& root, const std::string& key,
                                      const std::vector<std::string>& role_keys = {});
inline constexpr const char* kRoleKeysHelp =
    "folder with search keys (protected fields can be searched) or decrypt keys (they are shown); several: all of them";

// "actor: AMBIGUOUS_ENTITY: ... (got 'alice'; one of: user:u-1, user:u-2; did you mean ...)"
Error to_error(const query::QueryError& error);
// The same for what the engine answers: damage that may be why is told with it, and is the exit code.
Result<Exit> refuse(Output& output, const query::QueryError& error);

// The filter flags, as members for Arguments to fill.
class FilterArguments {
 public:
  // `rows`: the answer has rows, which come in an order.
  void declare(Arguments& arguments, bool rows = true);
  // Times are read against `now`. Errors name the flag.
  query::Answer<query::Filter> filter(TimeUs now) const;
  query::Order order(bool descending_by_default) const;
  // All that was given, for a cursor to be bound to.
  std::string given() const;
  bool any() const { return given() != FilterArguments().given(); }
  // Of the flags that were given, without their values: "actor", "not-source".
  std::vector<std::string> names() const;
  const std::string& tz() const { return tz_; }
  // The paragraph of --help that explains the flags.
  static const char* details();

 private:
  struct Words {
    std::vector<std::string> actor, target, action, action_class, outcome, source, custom;
    std::string url_prefix, text;
  };
  static query::Answer<query::Conditions> conditions(const Words& words);
  std::string from_, to_, tz_, axis_ = "occurred", order_ = "seq", hours_, days_;
  bool ascending_ = false, descending_ = false, current_ = false;
  std::vector<std::string> actor_match_, target_match_;
  Words is_, is_not_;
};

codec::AccessRecord::State state_of(const query::AsOf& as_of);

// "2026-06-15T06:07:07.123456+01:00" as a wall clock of that zone shows it; of UTC as format_rfc3339().
std::string zone_time(TimeUs time, const query::Zone& zone);
// One event on one line, printable(): "41207  2026-06-15T05:07:07.123456Z  user:u-1001 (alice)  PUT  success  ...".
std::string event_line(const query::EventRow& event, const query::Zone& zone);
// Findings and notes of an answer on stderr, for people. True when something is wrong: a shredded value is not.
bool tell(Output& output, const std::vector<query::Finding>& findings, const std::vector<query::Note>& notes);

}  // namespace khipu::cli
