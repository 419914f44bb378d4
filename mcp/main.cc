// khipu-mcp: wires a root opened for reading to the MCP server over stdio, and does nothing else.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "engine/crypto/key_file.h"
#include "engine/os/clock.h"
#include "engine/os/process.h"
#include "engine/tree/note.h"
#include "mcp/server/conversation.h"
#include "mcp/tools/audit_tool.h"
#include "mcp/transport/stdio.h"

#ifndef KHIPU_VERSION
#define KHIPU_VERSION "0.1.0"
#endif

namespace {

using namespace khipu;

constexpr const char* kHelp =
    "khipu-mcp - lets an MCP host query, walk and verify a khipu audit log. Reads only.\n"
    "\n"
    "usage: khipu-mcp [--key KEY] [--exit-when-orphaned] ROOT\n"
    "\n"
    "  ROOT              directory of the log (made by `khipu init`)\n"
    "  --key KEY         the verifier key you were handed: a vkey, or a file (ROOT.keys/verifier.pub): every answer is "
    "then checked\n"
    "                    against it. Without it the log's own first key is used, and answers say self_consistent\n"
    "  --exit-when-orphaned  stop when the parent process is gone, also when it left stdin open\n"
    "  --version         print the version\n"
    "  --help            print this\n"
    "\n"
    "Speaks MCP over stdin and stdout; diagnostics go to stderr. Exit codes: 0 ok, 3 usage or I/O.\n"
    "\n"
    "Claude Desktop: {\"mcpServers\": {\"audit\": {\"command\": \"khipu-mcp\", \"args\": [\"/path/to/ROOT\"]}}}\n";

constexpr int kUsage = 3;

void log_line(std::string_view text) {
  std::fprintf(stderr, "khipu-mcp: %.*s\n", static_cast<int>(text.size()), text.data());
}

int refuse(const std::string& message) {
  log_line(message);
  return kUsage;
}

struct Settings {
  std::string root, key;
  bool exit_when_orphaned = false;
};

Result<Settings> parse(int count, char** words) {
  Settings settings;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--key" && i + 1 < count) {
      settings.key = words[++i];
    } else if (word.starts_with("--key=")) {
      settings.key = word.substr(6);
    } else if (word == "--exit-when-orphaned") {
      settings.exit_when_orphaned = true;
    } else if (word.starts_with("-")) {
      return Error{Code::kInvalid, "unknown option " + word.substr(0, 40) + "; see khipu-mcp --help"};
    } else if (!settings.root.empty()) {
      return Error{Code::kInvalid, "one ROOT only; see khipu-mcp --help"};
    } else {
      settings.root = word;
    }
  }
  if (settings.root.empty()) return Error{Code::kInvalid, "which ROOT? see khipu-mcp --help"};
  return settings;
}

// A vkey as `khipu init` prints it ("name+hash+key"), or the file that holds the key.
Result<crypto::PublicKey> read_key(const std::string& path) {
  if (std::count(path.begin(), path.end(), '+') >= 2) {
    KHIPU_TRY_ASSIGN(const tree::VerifierKey vkey, at("--key", tree::VerifierKey::parse(path)));
    return vkey.key;
  }
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  KHIPU_TRY_ASSIGN(auto directory, os::open_directory(folder));
  KHIPU_TRY_ASSIGN(const crypto::Key key,
                   crypto::open_key_file(*directory, path.substr(slash + 1), crypto::KeyKind::kVerifier));
  return crypto::public_key(key);
}

Result<int> serve(const Settings& settings) {
  os::disable_core_dumps();
  snapshot::StoreOptions store_options;
  if (!settings.key.empty()) {
    KHIPU_TRY_ASSIGN(store_options.verifier_key, read_key(settings.key));
  }
  const auto verifier_key = store_options.verifier_key;
  KHIPU_TRY_ASSIGN(auto root, os::open_directory(settings.root));
  KHIPU_TRY_ASSIGN(auto store, snapshot::Store::open(std::move(root), std::move(store_options)));
  // A cursor lives as long as this process: one host, one conversation.
  std::array<uint8_t, 32> cursor_key;
  os::system_random().fill(cursor_key);
  query::Engine engine(
      *store, [] { return os::system_clock().now(); }, cursor_key);
  mcp::tools::AuditContext audit{engine, *store, verifier_key, settings.root};

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
  options.log = log_line;
  KHIPU_TRY_ASSIGN(auto server, mcp::server::Server::create(std::move(options), {mcp::tools::make_tools(audit)}));
  mcp::transport::StdioOptions stdio_options;
  stdio_options.exit_when_orphaned = settings.exit_when_orphaned;
  stdio_options.log = log_line;
  KHIPU_TRY_ASSIGN(auto stdio, mcp::transport::Stdio::take_standard_streams(std::move(stdio_options)));
  mcp::server::Conversation session(
      *server,
      {"uid:" + std::to_string(os::effective_user_id()), {"query", "reveal", "prove", "verify", "access_log"}, ""});
  if (!stdio->run(session)) std::_Exit(0);  // a call that does not stop must not keep the host waiting
  return 0;
}

}  // namespace

int main(int count, char** words) {
  for (int i = 1; i < count; ++i) {
    if (std::strcmp(words[i], "--help") == 0 || std::strcmp(words[i], "-h") == 0) return std::fputs(kHelp, stdout) < 0;
    if (std::strcmp(words[i], "--version") == 0) return std::puts("khipu-mcp " KHIPU_VERSION) < 0;
  }
  const Result<Settings> settings = parse(count, words);
  if (!settings.ok()) return refuse(settings.error().message);
  const Result<int> served = serve(*settings);
  return served.ok() ? *served : refuse(served.error().message);
}
