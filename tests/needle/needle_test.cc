// The needle test: unique plaintexts in every protected place, real programs around them, then a search of every byte
// they left: the root, its keys, the DLQ, what was printed to stderr, and the memory of the writer that still runs.
#include <sys/resource.h>

#include <csignal>
#include <set>

#include "tests/needle/session.h"

using namespace khipu;
using namespace khipu::needle;

TEST_CASE("needle: nothing that a protected field was given is left in any file, error or memory of the writer") {
  Session session;
  const std::string& root = session.root;
  session.make();
  tests::Process writer({tests::program("khipu"), "serve", root});
  REQUIRE(!writer.wait_for("serve ready").empty());

  session.done({"append", root}, event("p-1") + event("p-2") + event("p-1"));
  session.done({"append", root, "--idempotency-key", "k"}, event("p-3"));
  // The control: a name in the clear, which the searches below do find.
  session.done({"append", root},
               R"({"actor":{"type":"user","id":"u-1","fields":{"name":")" + kControl + "\"}},\"action\":\"GET\"}\n");
  // Refused lines: an address that is none, a field that is unknown, JSON cut short; once with an error, once parked.
  const std::string bad = "{\"actor\":{\"type\":\"person\",\"id\":\"p-4\",\"fields\":{\"email\":\"" + kNeedles[5] +
                          "\",\"nope\":\"" + kNeedles[5] + "\"}},\"action\":\"PUT\"}\n";
  CHECK(session.khipu({"append", root}, bad).exit == 3);
  CHECK(session.khipu({"append", root, "--park"}, bad).exit == 1);
  const std::string mapping = session.folder / "mapping.json", lines = session.folder / "lines.jsonl";
  std::ofstream(mapping) << R"({"khipu_mapping":1,"name":"members","types":{"member":{"email":"text"}},
"event":{"actor":{"type":"member","id":{"pointer":"/id"},"fields":{"email":{"pointer":"/mail"}}},
"action":{"constant":"JOIN"}}})";
  std::ofstream(lines) << R"({"id":"m-1","mail":")" << kNeedles[6] << "\"}\n"
                       << R"({"mail":")" << kNeedles[6] << "\"}\n";
  const tests::Ran imported = session.khipu(
      {"import", root, "--format", "jsonl", "--mapping", mapping, "--protect", "actor.email=sealed,exact", lines});
  INFO(imported.out << imported.err);
  CHECK(imported.exit <= 1);
  std::filesystem::remove(lines);

  const std::string search = session.keys + "/search", decrypt = session.keys + "/decrypt";
  const std::string by_mail = "person.email=" + kNeedles[0];
  const tests::Ran found = session.khipu({"query", root, "--actor-match", by_mail, "--keys", search, "--limit", "2"});
  INFO(found.out << found.err);
  CHECK(found.exit == 0);
  CHECK(needle_in(found.out).empty());
  CHECK_THAT(found.out, ContainsSubstring("2 of 4 events"));
  const tests::Ran read =
      session.khipu({"query", root, "--actor-match", by_mail, "--keys", search, "--keys", decrypt, "--json"});
  CHECK(read.exit == 0);
  CHECK_THAT(read.out, ContainsSubstring(kNeedles[0]));  // who holds the key does read it
  CHECK_THAT(read.out, ContainsSubstring(kNeedles[3]));
  const tests::Ran refused = session.khipu({"query", root, "--actor-match", by_mail});
  CHECK(refused.exit == 3);
  CHECK(needle_in(refused.err).empty());
  for (const char* command : {"query", "history", "status", "verify", "types list", "columns list", "export"}) {
    std::vector<std::string> words;
    std::istringstream parts(command);
    for (std::string word; parts >> word;) words.push_back(word);
    words.push_back(root);
    if (words[0] == "history") words.push_back("person:p-1");
    const tests::Ran ran = session.khipu(words);
    INFO(command << ": " << ran.err);
    CHECK(needle_in(ran.out + ran.err).empty());
  }

  const Json matcher = {{"type", "person"}, {"field", "email"}, {"value", kNeedles[0]}, {"match", "exact"}};
  // A digest has no prefixes to be searched by.
  const Json wrong = {{"type", "person"}, {"field", "ssn"}, {"value", kNeedles[1]}, {"match", "prefix"}};
  const std::string calls = hello() + call(1, "audit_query", {{"actor_match", matcher}, {"limit", 1}}) +
                            call(2, "audit_query", {{"actor_match", wrong}}) +
                            call(3, "audit_describe", Json::object()) + call(4, "audit_get_event", {{"seq", 0}}) +
                            call(5, "audit_history", {{"entity", "person:p-1"}}) +
                            call(6, "audit_query", {{"actor_match", matcher}, {"detail", "detailed"}});
  const tests::Ran asked = tests::run({tests::program("khipu-mcp"), "--role-keys", search, root}, calls);
  session.errors += asked.err;
  INFO(asked.out);
  CHECK(needle_in(asked.out + asked.err).empty());
  CHECK_THAT(asked.out, ContainsSubstring("UNSUPPORTED_MATCH"));
  CHECK_THAT(asked.out, ContainsSubstring("total"));
  const tests::Ran reveal =
      tests::run({tests::program("khipu-mcp"), "--role-keys", decrypt, root},
                 hello() + call(1, "audit_get_event", {{"seq", 0}, {"reveal", {"fields", "content", "custom"}}}));
  session.errors += reveal.err;
  CHECK_THAT(reveal.out, ContainsSubstring("Nadel4 wrote a diary"));

  CHECK(needle_in(session.errors).empty());
  CHECK(needle_in_memory(writer.pid()).empty());
  CHECK_THAT(needle_in_memory(writer.pid(), {kControl}), ContainsSubstring(kControl));
  writer.signal(SIGTERM);
  CHECK(writer.wait() == 0);
  CHECK(needle_in(writer.errors()).empty());
  CHECK(needle_below(session.folder / "").empty());
  CHECK_THAT(needle_below(session.folder / "", {kControl}), ContainsSubstring(kControl));
  session.done({"verify", root});
}

TEST_CASE("needle: no command prints, logs or leaves a protected value to who holds no key that reads") {
  Session session;
  const std::string& root = session.root;
  session.make();
  session.done({"append", root}, event("p-1") + event("p-2"));
  const std::string bad = "{\"actor\":{\"type\":\"person\",\"id\":\"p-4\",\"fields\":{\"email\":\"" + kNeedles[5] +
                          "\",\"nope\":\"" + kNeedles[5] + "\"}},\"action\":\"PUT\"}\n";
  session.khipu({"append", root, "--park"}, bad);
  const std::string search = session.keys + "/search", decrypt = session.keys + "/decrypt";
  const std::string out = session.folder / "out", mail = "person.email=" + kNeedles[0];
  const std::string key = session.done({"keys", "export", root});
  const std::string vkey = key.substr(0, key.find('\n'));
  std::set<std::string> ran;
  const auto is_group = [](const std::string& word) {
    return word == "keys" || word == "types" || word == "columns" || word == "token";
  };
  // Every command of `khipu --help`, as one would call it, with the search role's keys wherever keys are taken.
  const auto quiet = [&](std::vector<std::string> words, const std::string& input = "") {
    ran.insert(is_group(words[0]) ? words[0] + " " + words[1] : words[0]);
    const tests::Ran done = session.khipu(words, input);
    INFO(words[0] << ": " << done.err);
    CHECK(done.exit <= 3);
    CHECK(needle_in(done.out + done.err).empty());
    return done;
  };
  for (const char* command :
       {"status", "verify", "export", "aggregate --by actor", "query", "query --log access", "dlq", "dlq --raw",
        "history", "checkpoint", "recover", "retention --dry-run --max-age 1d", "hold", "keys list", "keys export",
        "types list", "columns list", "token list"}) {
    std::vector<std::string> words;
    std::istringstream parts(command);
    for (std::string word; parts >> word;) words.push_back(word);
    words.insert(words.begin() + (is_group(words[0]) ? 2 : 1), root);
    if (words[0] == "history") words.push_back("person:p-1");
    quiet(words);
    words.push_back("--json");
    quiet(words);
  }
  CHECK_THAT(quiet({"query", root, "--keys", search, "--actor-match", mail}).out, ContainsSubstring("2 of 2"));
  // The control: who holds the decrypt key is shown them by the same command.
  CHECK(!needle_in(session.khipu({"query", root, "--keys", decrypt, "--json"}).out).empty());
  quiet({"query", root, "--keys", search, "--actor-match", mail, "--limit", "1", "--json"});  // with a cursor
  quiet({"query", root, "--actor-match", mail});                                              // refused
  quiet({"query", root, "--custom", "card=" + kNeedles[2]});
  quiet({"query", root, "--keys", search, "--actor-match", "person.ssn^=" + kNeedles[1]});
  quiet({"aggregate", root, "--by", "custom.card"});
  quiet({"history", root, "person:p-1", "--keys", search});
  quiet({"append", root}, bad);
  quiet({"import", root, "--format", "jsonl", "--mapping", out, root});
  quiet({"prove", root, "0", "-o", out});
  quiet({"verify-proof", "--key", vkey, out});
  quiet({"export-tlog", root, session.folder / "tlog"});
  quiet({"types", "show", root, "person"});
  quiet({"types", "add", root, "person", "email:none"});
  quiet({"types", "infer", "-"}, event("p-1"));
  quiet({"columns", "add", root, "card"});
  quiet({"token", "add", root, "one", "--grant", "query"});
  quiet({"token", "revoke", root, "one"});
  quiet({"keys", "check", decrypt, "--root", root});
  quiet({"keys", "export-public", decrypt, session.folder / "public"});
  quiet({"keys", "rotate", root, "recipients", "--out", session.keys});
  const std::string list = session.folder / "rewrap.list";
  std::string to =
      quiet({"keys", "check", decrypt}).out;  // its last line is the newest key's, its last word what --to wants
  while (to.ends_with('\n')) to.pop_back();
  to = to.substr(to.rfind(' ') + 1);
  quiet({"keys", "rewrap", root, "--decrypt", decrypt, "--list", list});
  CHECK_THAT(quiet({"keys", "rewrap", root, "--decrypt", decrypt, "--list", list, "--to", to}).out,
             ContainsSubstring("sealed anew: "));
  CHECK_THAT(quiet({"keys", "adopt", root, list}).out, ContainsSubstring("adopted: "));
  const std::string locked = session.folder / "locked", passphrase = kNeedles[3] + "\n";
  quiet({"keys", "lock", decrypt + "/decrypt-auditors-1.key", locked, "--passphrase-fd", "0"}, passphrase);
  quiet({"keys", "unlock", locked, "--passphrase-fd", "0"}, passphrase);
  quiet({"keys", "init", root, "--out", session.keys});
  quiet({"shred", root, "--session", "1", "--reference", "test", "--dlq", "destroy"});
  quiet({"init", root, "--origin", "test/again"});
  quiet({"serve", root, "--no-such-flag"});
  quiet({"version"});
  std::istringstream help(session.done({"--help"}));
  std::set<std::string> known;
  bool listed = false;
  for (std::string line; std::getline(help, line);) {
    if (line.starts_with("Subcommands")) listed = true;
    std::istringstream words(line);
    std::string first, rest;
    if (!listed || !line.starts_with("  ") || !(words >> first)) continue;
    std::getline(words, rest);
    if (!is_group(first)) {
      known.insert(first);
      continue;
    }
    // "  types   Entity types and their fields: list, show, add"
    for (size_t at = rest.rfind(": ") + 2; at < rest.size();) {
      const size_t end = std::min(rest.find(", ", at), rest.size());
      known.insert(first + " " + rest.substr(at, end - at));
      at = end + 2;
    }
  }
  CHECK(known.size() > 35);
  for (const std::string& command : known) {
    INFO(command << " is a command that nothing here calls");
    CHECK(ran.contains(command));
  }
  CHECK(needle_below(session.folder / "").empty());
}

TEST_CASE("needle: no tool shows a protected value to who holds no key that reads") {
  Session session;
  session.make();
  session.done({"append", session.root}, event("p-1") + event("p-2"));
  const Json matcher = {{"type", "person"}, {"field", "email"}, {"value", kNeedles[0]}, {"match", "exact"}};
  const std::vector<std::pair<std::string, Json>> asked = {
      {"audit_describe", Json::object()},
      {"audit_find_entity", {{"text", kNeedles[0]}, {"type", "person"}}},
      {"audit_query", {{"actor_match", matcher}, {"detail", "detailed"}, {"limit", 1}}},
      {"audit_query", {{"custom", {{"card", kNeedles[2]}}}}},
      {"audit_query", {{"text", kNeedles[3]}}},
      {"audit_get_event", {{"seq", {0, 1}}, {"reveal", {"content", "fields", "custom", "url"}}}},
      {"audit_history", {{"entity", "person:p-1"}, {"view", "versions"}}},
      {"audit_aggregate", {{"group_by", {"actor"}}, {"actor_match", matcher}}},
      {"audit_coverage", Json::object()},
      {"audit_sample", {{"n", 2}, {"actor_match", matcher}}},
      {"audit_verify", Json::object()},
      {"audit_prove", {{"kind", "inclusion"}, {"seq", {0}}, {"format", "bundle"}}}};
  std::string calls = hello() + R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})" + "\n" +
                      R"({"jsonrpc":"2.0","id":2,"method":"resources/list"})" + "\n";
  int id = 10;
  std::set<std::string> called;
  for (const auto& [tool, arguments] : asked) {
    calls += call(id++, tool, arguments);
    called.insert(tool);
  }
  for (const std::string& keys : {std::string(), session.keys + "/search"}) {
    std::vector<std::string> words = {tests::program("khipu-mcp"), session.root};
    if (!keys.empty()) words.insert(words.end(), {"--role-keys", keys});
    const tests::Ran ran = tests::run(words, calls);
    session.errors += ran.err;
    size_t answers = 0;
    std::istringstream lines(ran.out);
    for (std::string line; std::getline(lines, line);) {
      const Json answer = Json::parse(line, nullptr, false);
      if (!answer.is_object() || !answer.contains("id")) continue;
      ++answers;
      INFO(line.substr(0, 3000));
      // A record in a proof is base64: as it lies on the disk, and so without plaintext. The text asked for in a clear
      // filter (content is searched where it is readable) may be repeated: it is the caller's own.
      const bool clear_filter = answer["id"] == 14;
      CHECK((clear_filter || needle_in(line).empty()));
      if (answer["id"] == 1) {
        for (const Json& tool : answer["result"]["tools"]) CHECK(called.contains(tool["name"]));
      }
    }
    CHECK(answers == asked.size() + 3);
    CHECK(needle_in(ran.err).empty());
  }
  // The control: with the decrypt key the same calls do show them.
  const tests::Ran reads =
      tests::run({tests::program("khipu-mcp"), session.root, "--role-keys", session.keys + "/decrypt"}, calls);
  CHECK(!needle_in(reads.out).empty());
  CHECK(needle_below(session.folder / "").empty());
}

TEST_CASE("needle: a writer that is killed leaves no core file, also where everything else does") {
  Session session;
  session.make();
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_CORE, &before) == 0);
  rlimit all = before;
  all.rlim_cur = all.rlim_max;
  REQUIRE(::setrlimit(RLIMIT_CORE, &all) == 0);
  const std::filesystem::path here = std::filesystem::current_path();
  std::filesystem::current_path(session.folder / "");
  const auto cores = [&] {
    size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(session.folder / "")) {
      count += entry.path().filename().string().starts_with("core");
    }
    return count;
  };
  const tests::Ran control = tests::run({"sh", "-c", "kill -SEGV $$"});
  const bool dumps_here = cores() > 0;
  for (const auto& entry : std::filesystem::directory_iterator(session.folder / "")) {
    if (entry.path().filename().string().starts_with("core")) std::filesystem::remove(entry.path());
  }
  tests::Process writer({tests::program("khipu"), "serve", session.root});
  REQUIRE(!writer.wait_for("serve ready").empty());
  session.done({"append", session.root}, event("p-1"));
  writer.signal(SIGSEGV);
  CHECK(writer.wait() == 128 + SIGSEGV);
  CHECK(cores() == 0);
  std::filesystem::current_path(here);
  REQUIRE(::setrlimit(RLIMIT_CORE, &before) == 0);
  CHECK(control.exit == 128 + SIGSEGV);
  if (!dumps_here) WARN("this machine wrote no core file for the control either");
  CHECK(needle_below(session.folder / "").empty());
  session.done({"verify", session.root});
}
