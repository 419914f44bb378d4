// khipu-mcp: wires a root opened for reading to the MCP server, and does nothing else.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>

#include "engine/access/reporter.h"
#include "engine/auth/tokens.h"
#include "engine/crypto/cursor_key.h"
#include "engine/crypto/key_file.h"
#include "engine/os/clock.h"
#include "engine/os/folder_id.h"
#include "engine/os/keys_path.h"
#include "engine/os/process.h"
#include "engine/os/service.h"
#include "engine/tree/note.h"
#include "mcp/auth/bearer.h"
#include "mcp/auth/oauth.h"
#include "mcp/role_keys.h"
#include "mcp/serve.h"
#include "mcp/settings.h"
#include "mcp/tools/audit_tool.h"
#include "mcp/tools/prompts.h"
#include "mcp/tools/resources.h"
#include "mcp/transport/fetch.h"

#ifndef KHIPU_VERSION
#define KHIPU_VERSION "0.1.0"
#endif

namespace {

using namespace khipu;

constexpr int kUsage = 3;
constexpr size_t kHttpWorkers = 8;

int refuse(const std::string& message) {
  mcp::log_line(message);
  return kUsage;
}

// A vkey as `khipu init` prints it ("name+hash+key"), or a file that holds one, or the key file.
Result<crypto::PublicKey> read_key(const std::string& path) {
  if (std::count(path.begin(), path.end(), '+') >= 2) {
    KHIPU_TRY_ASSIGN(const tree::VerifierKey vkey, tree::VerifierKey::parse(path));
    return vkey.key;
  }
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  KHIPU_TRY_ASSIGN(auto directory, os::open_directory(folder));
  {
    KHIPU_TRY_ASSIGN(const auto file, directory->open_file(path.substr(slash + 1), os::Mode::kRead));
    KHIPU_TRY_ASSIGN(const Buffer bytes, at(path, file->read_all(crypto::kKeyFileSizeBytesMax)));
    std::string text(as_text(bytes));
    while (text.ends_with('\n') || text.ends_with('\r') || text.ends_with(' ')) text.pop_back();
    if (std::count(text.begin(), text.end(), '+') >= 2 && !text.starts_with("khipu-key/")) {
      KHIPU_TRY_ASSIGN(const tree::VerifierKey vkey, at(path, tree::VerifierKey::parse(text)));
      return vkey.key;
    }
  }
  KHIPU_TRY_ASSIGN(const crypto::Key key,
                   crypto::open_key_file(*directory, path.substr(slash + 1), crypto::KeyKind::kVerifier));
  return crypto::public_key(key);
}

// The folder that was named, or ROOT.keys.
std::string keys_folder(const mcp::Settings& settings) {
  return settings.keys.empty() ? os::keys_beside(settings.root) : settings.keys;
}

// The tokens in force, if there is such a folder.
Result<std::shared_ptr<const auth::Tokens>> load_tokens(const mcp::Settings& settings) {
  Result<std::unique_ptr<os::Directory>> keys = os::open_directory(keys_folder(settings));
  if (!keys.ok() && keys.error().code == Code::kNotFound && settings.keys.empty()) {
    return std::make_shared<const auth::Tokens>();
  }
  if (!keys.ok()) return std::move(keys).error();
  KHIPU_TRY_ASSIGN(auth::Tokens tokens, auth::load_tokens(**keys));
  return std::make_shared<const auth::Tokens>(std::move(tokens));
}

// The key set of the authorization server, from a file or from where it is published.
Result<std::string> read_oauth_keys(const std::string& place) {
  if (place.find("://") != std::string::npos) return mcp::transport::fetch(place);
  const size_t slash = place.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : place.substr(0, slash + 1);
  KHIPU_TRY_ASSIGN(auto directory, os::open_directory(folder));
  KHIPU_TRY_ASSIGN(auto file, directory->open_file(place.substr(slash + 1), os::Mode::kRead));
  KHIPU_TRY_ASSIGN(const Buffer bytes, file->read_all(mcp::transport::FetchLimits{}.size_bytes_max));
  return std::string(bytes.begin(), bytes.end());
}

Result<std::unique_ptr<mcp::auth::OAuthAuthenticator>> open_oauth(const mcp::Settings& settings,
                                                                  mcp::auth::BearerAuthenticator& bearer) {
  mcp::auth::OAuthOptions options;
  KHIPU_TRY_ASSIGN(options.expected.resource,
                   at("--oauth-resource", mcp::auth::canonical_uri(settings.oauth_resource)));
  KHIPU_TRY(at("--oauth-issuer", mcp::auth::canonical_uri(settings.oauth_issuer)));
  options.expected.issuer = settings.oauth_issuer;
  options.read_keys = [place = settings.oauth_keys] { return read_oauth_keys(place); };
  options.is_remote = settings.oauth_keys.find("://") != std::string::npos;
  options.now = [] { return os::system_clock().now(); };
  options.log = mcp::log_line;
  return mcp::auth::OAuthAuthenticator::open(std::move(options), bearer);
}

// Everyone must show a token as soon as one was made for a reader, or an authorization server is named; without any,
// only loopback is served, and whoever can connect there and shows none counts as the user who started us.
Result<int> serve_http(const mcp::Settings& settings, os::Signals& signals, mcp::server::Server& server,
                       const std::function<void()>& reload_keys) {
  KHIPU_TRY_ASSIGN(const auto tokens, load_tokens(settings));
  const auto has_readers = [](const auth::Tokens& all) {
    return std::any_of(all.list().begin(), all.list().end(),
                       [](const auth::Token& token) { return !mcp::auth::caller_of(token).grants.empty(); });
  };
  // For good: the door does not open when the last token is taken back.
  std::atomic<bool> wants_tokens = has_readers(*tokens) || !settings.oauth_issuer.empty();
  mcp::auth::BearerAuthenticator bearer(tokens, [] { return os::system_clock().now(); });
  std::unique_ptr<mcp::auth::OAuthAuthenticator> oauth;
  if (!settings.oauth_issuer.empty()) {
    KHIPU_TRY_ASSIGN(oauth, open_oauth(settings, bearer));
  }
  const auto reload = [&] {
    if (reload_keys) reload_keys();
    if (oauth != nullptr) {
      const auto read = oauth->reload();
      mcp::log_line(read.ok() ? "the OAuth keys were read again" : "the old keys stay: " + read.error().message);
    }
    const auto loaded = load_tokens(settings);
    if (!loaded.ok()) return mcp::log_line("the old tokens stay: " + loaded.error().message);
    bearer.set_tokens(*loaded);
    if (has_readers(**loaded)) wants_tokens = true;
    mcp::log_line("tokens: " + std::to_string((*loaded)->list().size()) +
                  (wants_tokens ? "" : ", none of them a reader's: who shows none is the user who started this"));
  };
  mcp::transport::Authenticator* authenticator = &bearer;
  if (oauth != nullptr) authenticator = oauth.get();
  return mcp::serve_http(
      settings, signals, server, *authenticator, [&] { return !wants_tokens; },
      oauth != nullptr ? oauth->routes() : std::vector<mcp::transport::GetRoute>{}, reload);
}

// A log that is damaged is served all the same: audit_verify says how. So is one that a writer has yet to make.
void tell_of_unreadable(snapshot::Store& store, const std::string& root) {
  const auto snapshot = store.snapshot();
  if (!snapshot.ok()) mcp::log_line("warning: " + root + " cannot be read as a log: " + snapshot.error().message);
}

Result<int> serve(const mcp::Settings& settings) {
  os::Signals signals;  // before any thread: they inherit its mask
  os::disable_core_dumps();
  snapshot::StoreOptions store_options;
  if (!settings.key.empty()) {
    KHIPU_TRY_ASSIGN(store_options.verifier_key, at("--key", read_key(settings.key)));
  }
  const auto verifier_key = store_options.verifier_key;
  KHIPU_TRY_ASSIGN(const os::FolderId place, os::folder_id(settings.root));
  KHIPU_TRY_ASSIGN(auto root, os::open_directory(settings.root));
  // What is read is the folder that was opened, what is recorded goes to the one at its path. When it cannot be looked
  // at, neither can the socket in it: then nothing is recorded elsewhere.
  const auto is_in_place = [place, path = settings.root] {
    const Result<os::FolderId> there = os::folder_id(path);
    return there.ok() ? *there == place : there.error().code != Code::kNotFound;
  };
  if (!is_in_place()) return Error{Code::kConflict, settings.root + ": another folder took its place just now"};
  KHIPU_TRY_ASSIGN(auto store, snapshot::Store::open(std::move(root), std::move(store_options)));
  tell_of_unreadable(*store, settings.root);
  KHIPU_TRY_ASSIGN(const crypto::CursorKey cursor_key,
                   at("--cursor-key", crypto::cursor_key(settings.cursor_key, keys_folder(settings))));
  if (cursor_key.unkept) {
    mcp::log_line("cursors last as long as this process: no key of theirs can be kept: " + cursor_key.unkept->message);
  }
  std::unique_ptr<mcp::RoleKeys> role_keys;
  if (!settings.role_keys.empty()) {
    KHIPU_TRY_ASSIGN(role_keys, at("--role-keys", mcp::RoleKeys::open(settings.role_keys, settings.root, *store)));
  }
  query::Engine engine(
      *store, [] { return os::system_clock().now(); }, cursor_key.bytes, query::Scope{},
      role_keys ? role_keys->fields() : nullptr);
  mcp::tools::AuditContext audit{engine, *store, verifier_key, settings.root};
  if (settings.is_http) audit.verify_waiting_max = kHttpWorkers / 2;
  if (role_keys) audit.before_call = [&] { role_keys->refresh(); };
  std::function<void()> reload_keys;
  if (role_keys) reload_keys = [&] { role_keys->reload(); };

  mcp::server::Options options;
  options.info.name = "khipu";
  options.info.version = KHIPU_VERSION;
  options.info.title = "khipu audit log";
  options.instructions = mcp::tools::server_instructions();
  options.now = [] { return os::system_clock().now(); };
  options.steady = [] { return os::system_clock().boot_us(); };
  options.random = [] {
    uint64_t value = 0;
    os::system_random().fill({reinterpret_cast<uint8_t*>(&value), sizeof value});
    return value;
  };
  options.log = mcp::log_line;
  if (settings.is_http) options.worker_count = kHttpWorkers;
  access::Reporter reporter(settings.root);
  mcp::tools::AccessObserver observer(
      settings.access_log, [&](codec::AccessRecord record) { return reporter.report(std::move(record)); },
      mcp::log_line, is_in_place);
  options.observer = &observer;
  // Tools, prompts and resources are the same for as long as we run; what they say is not.
  mcp::server::Changes changes(mcp::server::Changes::Scope::kContents);
  options.changes = &changes;
  os::system_random().fill(options.state_key);
  KHIPU_TRY_ASSIGN(auto server, mcp::server::Server::create(
                                    std::move(options), {mcp::tools::make_tools(audit), mcp::tools::make_prompts(audit),
                                                         mcp::tools::make_resources(audit)}));
  const mcp::tools::ResourceWatcher watcher(audit, changes);
  if (settings.is_http) return serve_http(settings, signals, *server, reload_keys);
  return mcp::serve_stdio(settings, signals, *server, reload_keys);
}

}  // namespace

int main(int count, char** words) {
  os::open_standard_descriptors();
  for (int i = 1; i < count; ++i) {
    const bool asks_help = std::strcmp(words[i], "--help") == 0 || std::strcmp(words[i], "-h") == 0;
    if (asks_help) return std::fputs(mcp::kHelp, stdout) < 0 || std::fflush(stdout) != 0 ? kUsage : 0;
    if (std::strcmp(words[i], "--version") == 0) {
      return std::puts("khipu-mcp " KHIPU_VERSION) < 0 || std::fflush(stdout) != 0 ? kUsage : 0;
    }
  }
  const Result<mcp::Settings> settings = mcp::parse_settings(count, words);
  if (!settings.ok()) return refuse(settings.error().message);
  const Result<int> served = serve(*settings);
  return served.ok() ? *served : refuse(served.error().message);
}
