// The schema vectors in C++: valid and invalid texts, compatible and different schemas, accepted and refused values.
//
// usage: schema_vectors DIRECTORY
#include <linkspan.hpp>

#include <cstdio>
#include <fstream>
#include <functional>
#include <iterator>

using namespace std::chrono_literals;

namespace {

const std::string at = "unix:test/schemas";
unsigned checks = 0;
unsigned failures = 0;

/// A row of a file of vectors.
class row {
  public:
    row(const linkspan::message &law, std::size_t number) : law_(law), number_(std::to_string(number)) {}

    std::string text(const std::string &column) const { return law_.get_or(path(column), std::string()); }
    int code() const { return law_.get_or(path("code"), 0); }

    void expect(int code, const std::string &part, const std::function<void()> &call) const {
        ++checks;
        int found = 0;
        std::string what;
        try {
            call();
        } catch (const linkspan::error &e) {
            found = e.code();
            what = e.what();
            if (!text("path").empty() && e.path() != text("path")) found = -1;
        }
        if (found == code && what.find(part) != std::string::npos) return;
        ++failures;
        std::fprintf(stderr, "row %s: %d, %s; expected %d, %s\n", number_.c_str(), found, what.c_str(), code, part.c_str());
    }

  private:
    std::string path(const std::string &column) const { return number_ + "/" + column; }

    const linkspan::message &law_;
    std::string number_;
};

linkspan::options with(const std::string &schema) {
    linkspan::options o;
    o.schema = schema;
    return o;
}

void check_text(const row &r) {
    r.expect(r.code(), r.text("text"), [&] { linkspan::publisher(at, with(r.text("toml"))); });
}

void check_pair(const row &r) {
    linkspan::publisher out(at, with(r.text("writer")));
    out.send(linkspan::message());
    const auto difference = r.text("differences/0");
    r.expect(difference.empty() ? 0 : LINKSPAN_SCHEMA_MISMATCH, difference,
             [&] { linkspan::subscriber(at, with(r.text("reader"))).recv(20s); });
}

void check_value(const row &r) {
    auto o = with(r.text("schema"));
    o.validate = "send";
    linkspan::publisher out(at, o);
    const auto json = r.text("json");
    const std::vector<std::uint8_t> bytes(json.begin(), json.end());
    const auto value = linkspan::decode(bytes, linkspan::encoding::json);
    r.expect(r.code(), r.text("text"), [&] { out.send(value); });
}

void rows_of(const std::string &file, void (*check)(const row &)) {
    std::ifstream stream(file, std::ios::binary);
    const std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(stream), {}};
    const auto law = linkspan::decode(bytes, linkspan::encoding::json);
    for (std::size_t i = 0; i < law.count(); ++i) check(row(law, i));
}

} // namespace

int main(int count, char **arguments) {
    if (count != 2) return 2;
    const std::string directory = arguments[1];
    rows_of(directory + "/schema_texts.json", check_text);
    rows_of(directory + "/schema_pairs.json", check_pair);
    rows_of(directory + "/schema_values.json", check_value);
    std::printf("%u checks, %u failed\n", checks, failures);
    return failures == 0 && checks > 0 ? 0 : 1;
}
