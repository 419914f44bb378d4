// Round trips of one small tools/call to khipu-mcp, over stdio and over HTTP keep-alive, beside the same call to a
// server of the official TypeScript SDK in the same run, and beside the floor: a process that reads and writes the same
// bytes and does nothing else. The time from start to the first answer; the memory of an idle server. Not here: the
// SDK's installation and the log (mcp.sh).
//
//   bench_mcp [BIN_DIR ROOT [SECONDS [PEER_DIR]]]    PEER_DIR: where mcp_peer.mjs can be run; without it khipu alone
//   bench_mcp --floor stdio|http ANSWER              the floor's own process
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/bench/figures.h"

namespace {

using Clock = std::chrono::steady_clock;
using Words = std::vector<std::string>;

// A call that is all protocol, answered by the library alone, and one that reads and checks a record.
struct Question {
  const char* tool;
  const char* call;
};
constexpr Question kEcho{"test_simple_text",
                         R"("method":"tools/call","params":{"name":"test_simple_text","arguments":{}}})"};
constexpr Question kEvent{"audit_get_event",
                          R"("method":"tools/call","params":{"name":"audit_get_event","arguments":{"seq":[1]}}})"};
constexpr const char* kInitialize =
    R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},)"
    R"("clientInfo":{"name":"bench","version":"1"}}})";
constexpr const char* kInitialized = R"({"jsonrpc":"2.0","method":"notifications/initialized"})";
constexpr int kWarmUp = 300;
constexpr int kRounds = 3;
constexpr int kStarts = 7;

// How the client waits for its answer. Asleep, as a client does, half of a round trip may be the system waking it,
// which is the same whoever answers; awake, it looks until the answer is there, and what is measured is the server's.
// kNoHalt: it sleeps, and no processor is halted meanwhile, as in a virtual machine only its host can wake one again.
// Several are as many connections of one session, each with one call on its way: what a gateway or many agents do.
enum class Client { kAsleep, kNoHalt, kAwake, kSeveral };
constexpr size_t kConnections = 8;

const char* told(Client client) {
  switch (client) {
    case Client::kNoHalt: return ", no halt";
    case Client::kAwake: return ", client awake";
    case Client::kSeveral: return ", 8 connections";
    default: return "";
  }
}

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "bench_mcp: %s\n", why.c_str());
  std::exit(1);
}

// A program with its stdin and stdout in our hands; killed at the end.
class Process {
 public:
  explicit Process(const Words& words, const std::string& folder = "") {
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) die("pipe");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    if (!folder.empty()) posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    if (posix_spawnp(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ) != 0)
      die("cannot start " + words[0]);
    posix_spawn_file_actions_destroy(&actions);
    close(in[0]);
    close(out[1]);
    to = in[1];
    from = out[0];
  }
  ~Process() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    close(to);
    close(from);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  long memory_kib(const char* name) const {
    std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
    for (std::string line; std::getline(status, line);) {
      if (line.rfind(name, 0) == 0) return std::atol(line.c_str() + std::strlen(name) + 1);
    }
    return 0;
  }
  int to = -1, from = -1;

 private:
  pid_t pid_ = -1;
};

// Keeps every processor from being halted: a process on each that runs while nobody else wants to.
class NoHalt {
 public:
  NoHalt() {
    for (unsigned processor = 0; processor < std::thread::hardware_concurrency(); ++processor) {
      const pid_t child = fork();
      if (child != 0) {
        children_.push_back(child);
        continue;
      }
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      cpu_set_t own;
      CPU_ZERO(&own);
      CPU_SET(processor, &own);
      const sched_param none{};
      if (sched_setaffinity(0, sizeof own, &own) != 0 || sched_setscheduler(0, SCHED_IDLE, &none) != 0) _exit(1);
      for (volatile unsigned turns = 0;;) turns = turns + 1;
    }
  }
  ~NoHalt() {
    for (const pid_t child : children_) {
      kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
    }
  }
  NoHalt(const NoHalt&) = delete;
  NoHalt& operator=(const NoHalt&) = delete;

 private:
  std::vector<pid_t> children_;
};

void write_all(int descriptor, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    const ssize_t size = write(descriptor, text.data() + done, text.size() - done);
    if (size <= 0) die("the server is gone");
    done += static_cast<size_t>(size);
  }
}

class Channel {
 public:
  explicit Channel(Client client) : client_(client) {}
  virtual ~Channel() = default;
  virtual void send(const std::string& message) = 0;
  virtual std::string receive() = 0;  // the answer's JSON
  virtual void tell(const std::string& message) = 0;
  std::string ask(const std::string& message) {
    send(message);
    return receive();
  }

 protected:
  // Reads until `mark` is in rest_; its offset.
  size_t read_until(int descriptor, const char* mark, size_t begin = 0) {
    for (size_t at = rest_.find(mark, begin);; at = rest_.find(mark, begin)) {
      if (at != std::string::npos) return at;
      read_more(descriptor);
    }
  }
  void read_more(int descriptor) {
    char buffer[16384];
    pollfd input{descriptor, POLLIN, 0};
    while (client_ == Client::kAwake && poll(&input, 1, 0) == 0) {
    }
    const ssize_t size = read(descriptor, buffer, sizeof buffer);
    if (size <= 0) die("the server is gone: " + rest_);
    rest_.append(buffer, static_cast<size_t>(size));
  }
  std::string rest_;

 private:
  const Client client_;
};

class StdioChannel final : public Channel {
 public:
  StdioChannel(const Process& process, Client client) : Channel(client), process_(process) {}
  void send(const std::string& message) override { write_all(process_.to, message + "\n"); }
  std::string receive() override {
    const size_t end = read_until(process_.from, "\n");
    std::string line = rest_.substr(0, end);
    rest_.erase(0, end + 1);
    return line;
  }
  void tell(const std::string& message) override { send(message); }

 private:
  const Process& process_;
};

class HttpChannel final : public Channel {
 public:
  HttpChannel(const Process& process, Client client) : Channel(client) {
    char line[32] = {};
    for (size_t i = 0; i + 1 < sizeof line && (i == 0 || line[i - 1] != '\n'); ++i) {
      if (read(process.from, line + i, 1) != 1) die("the server printed no port");
    }
    port_ = static_cast<uint16_t>(std::atoi(line));
    connect_to_port();
  }
  // Another connection of the session that `first` has.
  HttpChannel(const HttpChannel& first, Client client) : Channel(client), port_(first.port_), session_(first.session_) {
    connect_to_port();
  }
  ~HttpChannel() override { close(socket_); }

  void send(const std::string& message) override {
    write_all(socket_, "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port_) +
                           "\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n" +
                           session_ + "Content-Length: " + std::to_string(message.size()) + "\r\n\r\n" + message);
  }
  std::string receive() override {
    const size_t head_end = read_until(socket_, "\r\n\r\n") + 4;
    std::string head = rest_.substr(0, head_end);
    for (char& c : head) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    if (const size_t at = head.find("mcp-session-id: "); at != std::string::npos && session_.empty()) {
      session_ = "Mcp-Session-Id: " + rest_.substr(at + 16, rest_.find('\r', at) - at - 16) + "\r\n";
    }
    rest_.erase(0, head_end);
    std::string body;
    if (const size_t at = head.find("content-length: "); at != std::string::npos) {
      const size_t size = std::strtoul(head.c_str() + at + 16, nullptr, 10);
      while (rest_.size() < size) read_more(socket_);
      body = rest_.substr(0, size);
      rest_.erase(0, size);
    } else if (head.find("chunked") != std::string::npos) {
      for (size_t size = 1; size != 0;) {
        const size_t line_end = read_until(socket_, "\r\n") + 2;
        size = std::strtoul(rest_.c_str(), nullptr, 16);
        while (rest_.size() < line_end + size + 2) read_more(socket_);
        body += rest_.substr(line_end, size);
        rest_.erase(0, line_end + size + 2);
      }
    }
    return body;
  }
  void tell(const std::string& message) override { ask(message); }

 private:
  void connect_to_port() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port_);
    socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int yes = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("cannot connect");
  }
  int socket_ = -1;
  uint16_t port_ = 0;
  std::string session_;
};

struct Server {
  const char* name;
  Question question;
  Words words;
  std::string folder;
};

std::unique_ptr<Channel> open(const Process& process, bool is_http, Client client = Client::kAsleep) {
  if (is_http) return std::make_unique<HttpChannel>(process, client);
  return std::make_unique<StdioChannel>(process, client);
}

std::string call(const Question& question, int id) {
  return R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + "," + question.call;
}

struct Round {
  double rate = 0;
  double p50_us = 0, p99_us = 0;
  double rss_kib = 0;  // the server's, at its peak
};

Round measure(const Server& server, bool is_http, Client client, double seconds) {
  const Process process(server.words, server.folder);
  const auto no_halt = client == Client::kNoHalt ? std::make_unique<NoHalt>() : nullptr;
  const auto channel = open(process, is_http, client);
  channel->ask(kInitialize);
  channel->tell(kInitialized);
  int id = 1;
  for (; id <= kWarmUp; ++id) {
    const std::string answer = channel->ask(call(server.question, id));
    if (answer.find("\"result\"") == std::string::npos || answer.find("\"isError\":true") != std::string::npos) {
      die(std::string(server.name) + ": " + answer.substr(0, 300));
    }
  }
  std::vector<std::unique_ptr<Channel>> more;
  std::vector<Channel*> channels{channel.get()};
  while (client == Client::kSeveral && channels.size() < kConnections) {
    more.push_back(std::make_unique<HttpChannel>(dynamic_cast<const HttpChannel&>(*channel), client));
    channels.push_back(more.back().get());
  }
  std::vector<double> times;
  const auto begin = Clock::now();
  std::vector<Clock::time_point> sent(channels.size(), begin);
  for (Channel* one : channels) one->send(call(server.question, id++));
  auto now = begin;
  for (size_t turn = 0; std::chrono::duration<double>(now - begin).count() < seconds; turn = (turn + 1) % sent.size()) {
    channels[turn]->receive();
    now = Clock::now();
    times.push_back(std::chrono::duration<double, std::micro>(now - sent[turn]).count());
    sent[turn] = now;
    channels[turn]->send(call(server.question, id++));
  }
  const double total = std::chrono::duration<double>(now - begin).count();
  std::sort(times.begin(), times.end());
  return {static_cast<double>(times.size()) / total, times[times.size() / 2], times[times.size() * 99 / 100],
          static_cast<double>(process.memory_kib("VmHWM"))};
}

double start_ms(const Server& server, bool is_http) {
  std::vector<double> times;
  for (int i = 0; i < kStarts; ++i) {
    const auto begin = Clock::now();
    const Process process(server.words, server.folder);
    open(process, is_http)->ask(kInitialize);
    times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
  std::sort(times.begin(), times.end());
  return times[kStarts / 2];
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void compare(khipu::bench::Figures& figures, bool is_http, Client client, const std::vector<Server>& servers,
             double seconds) {
  std::vector<std::vector<Round>> rounds(servers.size());
  for (int round = 0; round < kRounds; ++round) {  // by turns: what else the machine does falls on all
    for (size_t i = 0; i < servers.size(); ++i) rounds[i].push_back(measure(servers[i], is_http, client, seconds));
  }
  const auto of = [&](size_t server, double Round::*member) {
    std::vector<double> values;
    for (const Round& round : rounds[server]) values.push_back(round.*member);
    return median(values);
  };
  for (size_t i = 0; i < servers.size(); ++i) {
    const double rate = of(i, &Round::rate);
    khipu::bench::Figures::Row& row =
        figures.row(std::string(is_http ? "http " : "stdio ") + servers[i].name + told(client));
    row.add("calls_per_s", rate).add("p50_us", of(i, &Round::p50_us)).add("p99_us", of(i, &Round::p99_us));
    row.add("rss_kib", of(i, &Round::rss_kib));
    if (client == Client::kAsleep) row.add("start_to_answer_ms", start_ms(servers[i], is_http));
    if (i > 0) row.add("ours_is_times", of(0, &Round::rate) / rate);
  }
}

// What ours answers to its question: what the others are to send.
std::string answer_of(const Server& ours, bool is_http) {
  const Process process(ours.words);
  const auto channel = open(process, is_http);
  channel->ask(kInitialize);
  channel->tell(kInitialized);
  return channel->ask(call(ours.question, 1));
}

// The peer's words; before, its file is given our own answer to repeat.
Words peer_words(const Server& ours, bool is_http, const std::string& folder) {
  const std::string answer = answer_of(ours, is_http);
  const size_t at = answer.find("\"result\":") + 9;
  std::ofstream(folder + "/result.json") << answer.substr(at, answer.rfind('}') - at);
  return {"node", "mcp_peer.mjs", is_http ? "http" : "stdio", "result.json", ours.question.tool};
}

// One read() and one write() for each request, whatever it says: what the system itself takes for a round trip.
int run_floor(bool is_http, const std::string& answer) {
  // No notification of HTTP goes unanswered; of stdio, the one does that bench_mcp sends.
  const auto echo = [is_http](int in, int out, const std::string& bytes) {
    char buffer[65536];
    for (ssize_t size = 0; (size = read(in, buffer, sizeof buffer)) > 0;) {
      const std::string_view request(buffer, static_cast<size_t>(size));
      if (is_http || request.find("\"id\"") != std::string_view::npos) write_all(out, bytes);
    }
  };
  if (is_http) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(door, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(door, kConnections) != 0 ||
        getsockname(door, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      die("the floor cannot listen");
    }
    std::printf("%d\n", ntohs(address.sin_port));
    std::fflush(stdout);
    const std::string bytes =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: " + std::string(48, '0') +
        "\r\nContent-Length: " + std::to_string(answer.size()) + "\r\n\r\n" + answer;
    for (;;) {  // until it is killed
      const int client = accept(door, nullptr, nullptr);
      const int yes = 1;
      setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      std::thread([echo, client, bytes] { echo(client, client, bytes); }).detach();
    }
  }
  echo(0, 1, answer + "\n");
  return 0;
}

}  // namespace

int main(int count, char** words) {
  khipu::bench::Figures figures("mcp", khipu::bench::take_flag(count, words, "--json"));
  if (count == 4 && std::string(words[1]) == "--floor") return run_floor(std::string(words[2]) == "http", words[3]);
  if (count < 3) {
    std::printf("bench_mcp wants a log: run tests/bench/mcp.sh\n");
    return 0;
  }
  signal(SIGPIPE, SIG_IGN);
  const std::string bin = words[1], root = words[2];
  const double seconds = count > 3 ? std::atof(words[3]) : 2;
  const std::string peer = count > 4 ? words[4] : "";
  for (const bool is_http : {false, true}) {
    const Words http = is_http ? Words{"--http", "127.0.0.1:0", "--print-port"} : Words{};
    std::vector<Server> ours{{"echo", kEcho, {bin + "/khipu-mcp-fixture"}, ""},
                             {"get_event", kEvent, {bin + "/khipu-mcp", "--access-log", "off", root}, ""}};
    for (Server& server : ours) {
      server.words.insert(server.words.begin() + 1, http.begin(), http.end());
      std::vector<Server> servers{server};
      if (!peer.empty()) {
        servers.push_back({"TypeScript SDK", server.question, peer_words(server, is_http, peer), peer});
      }
      servers.push_back({"bare echo of the bytes",
                         server.question,
                         {"/proc/self/exe", "--floor", is_http ? "http" : "stdio", answer_of(server, is_http)},
                         ""});
      for (const Client client : {Client::kAsleep, Client::kNoHalt, Client::kAwake, Client::kSeveral}) {
        if (is_http || client != Client::kSeveral) compare(figures, is_http, client, servers, seconds);
      }
    }
    const Process idle(ours[1].words);
    open(idle, is_http)->ask(kInitialize);
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    figures.row(std::string(is_http ? "http" : "stdio") + " khipu-mcp idle")
        .add("rss_kib", static_cast<double>(idle.memory_kib("VmRSS")))
        .add("own_kib", static_cast<double>(idle.memory_kib("RssAnon")));
  }
  // With a writer beside it that records every call before its answer leaves.
  const Process writer({bin + "/khipu", "serve", root});
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  compare(figures, false, Client::kAsleep,
          {{"get_event, recorded", kEvent, {bin + "/khipu-mcp", "--access-log", "required", root}, ""}}, seconds);
  figures.print();
}
