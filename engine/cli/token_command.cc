// `khipu token add|list|revoke`: bearer tokens of remote producers and readers. The rules are engine/auth's.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/auth/tokens.h"
#include "engine/base/time.h"
#include "engine/cli/commands.h"
#include "engine/cli/definitions.h"
#include "engine/cli/output.h"
#include "engine/cli/root.h"
#include "engine/ingest/near_name.h"

namespace khipu::cli {
namespace {

constexpr const char* kReload = "A running writer and a running khipu-mcp take the change on SIGHUP.";

class TokenCommand : public Command {
 public:
  void declare(Arguments& arguments) override {
    arguments.required("ROOT", root_, "the log's directory");
    arguments.text("--keys", keys_, "DIR", kKeysHelp);
  }

 protected:
  Result<std::unique_ptr<os::Directory>> keys() const { return os::open_directory(keys_path(root_, keys_)); }
  const std::string& root() const { return root_; }

 private:
  std::string root_, keys_;
};

class TokenAdd final : public TokenCommand {
 public:
  std::string name() const override { return "token add"; }
  std::string summary() const override { return "Make a token and print it once"; }
  std::string details() const override {
    return std::string("Only a hash is kept, in the keys folder: a lost token cannot be shown again. ") + kReload +
           "\nGrants: ingest (add events to a writer that listens on HTTP); for readers over khipu-mcp --http: query "
           "(ask),\n"
           "reveal (free text as it is stored), prove, verify, access_log (who read the log; beside query). --type "
           "and\n"
           "--source bound what a reader sees: events whose source is one of these and whose entities are all of "
           "these\n"
           "types; nothing else is found or counted.\n\n"
           "Examples:\n  khipu token add /srv/audit billing\n"
           "  khipu token add /srv/audit auditor-1 --grant query --grant verify --source billing\n"
           "  khipu token add /srv/audit ci --grant ingest --expires 2027-01-01T00:00:00Z\n\n"
           "Exit codes: 0 made, 3 not made.";
  }
  void declare(Arguments& arguments) override {
    TokenCommand::declare(arguments);
    arguments.required("NAME", token_.name, "who will use it: 1 to 64 letters, digits, '.', '_', '-'");
    arguments.texts("--grant", grants_, "GRANT", "what it may do, may be repeated; default ingest");
    arguments.texts("--type", token_.types, "TYPE",
                    "only events whose entities are all of these types; may be repeated");
    arguments.texts("--source", token_.sources, "NAME", "only events of these sources; may be repeated");
    arguments.text("--expires", expires_, "TIME", "RFC 3339 moment from which it is refused; default never");
  }
  Result<Exit> run(Output& output) override {
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> folder, keys());
    if (grants_.empty()) grants_ = {"ingest"};
    for (const std::string& word : grants_) {
      const std::optional<auth::Grant> grant = auth::grant(word);
      if (!grant) {
        return Error{Code::kInvalid,
                     "--grant " + word + ": must be ingest, query, reveal, prove, verify or access_log"};
      }
      token_.grants.push_back(*grant);
    }
    const bool reads = std::any_of(token_.grants.begin(), token_.grants.end(),
                                   [](auth::Grant grant) { return grant != auth::Grant::kIngest; });
    if (!reads && (!token_.types.empty() || !token_.sources.empty())) {
      return Error{Code::kInvalid, "--type and --source bound what a reader sees: give a reader's --grant"};
    }
    KHIPU_TRY(check_types());
    if (!expires_.empty()) {
      KHIPU_TRY_ASSIGN(const TimeUs expires, at("--expires", parse_rfc3339(expires_)));
      token_.expires = expires;
    }
    KHIPU_TRY_ASSIGN(const std::string text,
                     auth::mint(*folder, os::system_random(), os::system_clock().now(), token_));
    if (output.json()) {
      output.document({{"schema", "khipu.token/v1"}, {"name", token_.name}, {"token", text}});
    } else {
      output.line(text);
      output.note("this is the only time the token is shown");
    }
    return Exit::kOk;
  }

 private:
  // A type that is not there bounds a reader to nothing, which looks like an empty log. Sources are only known once an
  // event names them.
  Result<void> check_types() const {
    if (token_.types.empty()) return {};
    KHIPU_TRY_ASSIGN(const registry::Schema schema, current_schema(root()));
    std::vector<std::string_view> names;
    for (const codec::TypeSchema& type : schema.types()) names.push_back(type.name);
    for (const std::string& type : token_.types) {
      if (schema.type(type) != nullptr) continue;
      return Error{Code::kInvalid, "--type " + ingest::quoted(type) + ": there is no such type" +
                                       ingest::did_you_mean(type, names) + "; `khipu types list` shows all"};
    }
    return {};
  }

  auth::Token token_;
  std::vector<std::string> grants_;
  std::string expires_;
};

class TokenList final : public TokenCommand {
 public:
  std::string name() const override { return "token list"; }
  std::string summary() const override { return "Show names, grants and expiry"; }
  std::string details() const override { return "Example:\n  khipu token list /srv/audit --json\n\nExit codes: 0, 3."; }
  Result<Exit> run(Output& output) override {
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> folder, keys());
    KHIPU_TRY_ASSIGN(const auth::Tokens tokens, auth::load_tokens(*folder));
    const TimeUs now = os::system_clock().now();
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const auth::Token& token : tokens.list()) {
      nlohmann::ordered_json one = {{"name", token.name}, {"grants", nlohmann::ordered_json::array()}};
      std::string grants;
      for (const auth::Grant grant : token.grants) {
        one["grants"].push_back(auth::name(grant));
        grants += (grants.empty() ? "" : ",") + std::string(auth::name(grant));
      }
      if (!token.types.empty()) one["types"] = token.types;
      if (!token.sources.empty()) one["sources"] = token.sources;
      one["created"] = format_rfc3339(token.created);
      one["expires"] = token.expires ? nlohmann::ordered_json(format_rfc3339(*token.expires)) : nullptr;
      one["expired"] = token.expired(now);
      if (!output.json()) {
        std::string scope;
        for (const std::string& type : token.types) scope += "  type " + printable(type);
        for (const std::string& source : token.sources) scope += "  source " + printable(source);
        output.line(token.name + "  " + grants + scope + "  made " + format_rfc3339(token.created) + "  " +
                    (token.expires ? (token.expired(now) ? "EXPIRED " : "until ") + format_rfc3339(*token.expires)
                                   : "does not expire"));
      }
      list.push_back(std::move(one));
    }
    if (output.json()) output.document({{"schema", "khipu.tokens/v1"}, {"tokens", std::move(list)}});
    return Exit::kOk;
  }
};

class TokenRevoke final : public TokenCommand {
 public:
  std::string name() const override { return "token revoke"; }
  std::string summary() const override { return "Take a token back"; }
  std::string details() const override {
    return std::string(kReload) +
           "\n\nExample:\n  khipu token revoke /srv/audit billing && pkill -HUP -x khipu\n\n"
           "Exit codes: 0 revoked, 3 no such token.";
  }
  void declare(Arguments& arguments) override {
    TokenCommand::declare(arguments);
    arguments.required("NAME", name_, "the token's name");
  }
  Result<Exit> run(Output& output) override {
    KHIPU_TRY_ASSIGN(const std::unique_ptr<os::Directory> folder, keys());
    KHIPU_TRY(auth::revoke(*folder, name_));
    if (output.json()) {
      output.document({{"schema", "khipu.token/v1"}, {"name", name_}, {"revoked", true}});
    } else {
      output.line("revoked " + name_);
      output.note("what runs takes it until it gets SIGHUP: khipu serve, and khipu-mcp --http");
    }
    return Exit::kOk;
  }

 private:
  std::string name_;
};

}  // namespace

std::unique_ptr<Command> make_token_add() { return std::make_unique<TokenAdd>(); }
std::unique_ptr<Command> make_token_list() { return std::make_unique<TokenList>(); }
std::unique_ptr<Command> make_token_revoke() { return std::make_unique<TokenRevoke>(); }

}  // namespace khipu::cli
