#include <locale>

#include "engine/daemon/http.h"
#include "engine/daemon/httplib.h"

namespace khipu::daemon {
namespace {

constexpr uint64_t kRetryAfterMaxS = 3600;

// The library reads an answer's first line by std::regex, and libstdc++ fills a table of the locale's as a regex asks
// for letters, from any thread and without a lock. Filled before, it is only read.
void fill_letter_table() {
  static const bool filled = [] {
    const auto& letters = std::use_facet<std::ctype<char>>(std::locale());
    for (int letter = 1; letter < 256; ++letter) letters.narrow(static_cast<char>(letter), '\0');
    return true;
  }();
  (void)filled;
}

class Client final : public HttpClient {
 public:
  explicit Client(os::SocketPath path) : path_(std::move(path)), client_(path_.text()) {
    fill_letter_table();
    client_.set_address_family(AF_UNIX);
    client_.set_keep_alive(true);
    client_.set_connection_timeout(5);
    client_.set_read_timeout(600);  // a commit waits for the disk, and the writer answers or goes away
    client_.set_write_timeout(60);
    client_.set_default_headers({{"Host", "khipu"}});
  }

  Result<HttpAnswer> get(const std::string& path) override { return answer(client_.Get(path)); }

  Result<HttpAnswer> post(const std::string& path, std::string_view content_type, std::string_view body,
                          const std::vector<std::pair<std::string, std::string>>& headers) override {
    const httplib::Headers all(headers.begin(), headers.end());
    return answer(client_.Post(path, all, body.data(), body.size(), std::string(content_type)));
  }

 private:
  static Result<HttpAnswer> answer(const httplib::Result& result) {
    if (result) {
      HttpAnswer answer{result->status, result->body};
      if (result->has_header("Retry-After")) {
        answer.retry_after_s =
            static_cast<unsigned>(std::min<uint64_t>(result->get_header_value_u64("Retry-After"), kRetryAfterMaxS));
      }
      return answer;
    }
    const bool nobody = result.error() == httplib::Error::Connection;
    return Error{nobody ? Code::kNotFound : Code::kIo, "the writer's socket: " + httplib::to_string(result.error())};
  }

  os::SocketPath path_;
  httplib::Client client_;
};

}  // namespace

std::unique_ptr<HttpClient> HttpClient::open_local(os::SocketPath path) {
  return std::make_unique<Client>(std::move(path));
}

}  // namespace khipu::daemon
