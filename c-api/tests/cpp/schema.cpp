// Schemas in C++: who has another unit is told what differs, a newer version reads, values are checked.
#include <linkspan.hpp>

#include <cstdio>
#include <cstdlib>

#include "check.hpp"

using namespace std::chrono_literals;

namespace {

const std::string watts = "name = \"power\"\n[fields.watts]\ntype = \"f64\"\nunit = \"W\"\n";
const std::string kilowatts = "name = \"power\"\n[fields.watts]\ntype = \"f64\"\nunit = \"kW\"\n";
const std::string newer = watts + "[fields.phase]\ntype = \"u8\"\ndefault = 1\n";

linkspan::options with(const std::string &schema) {
    linkspan::options o;
    o.schema = schema;
    o.validate = "both";
    return o;
}

bool says(const std::exception &e, const char *text) { return std::string(e.what()).find(text) != std::string::npos; }

void on(const std::string &endpoint) {
    linkspan::publisher out(endpoint, with(watts));
    out.send(linkspan::message().put("watts", 230.5));
    try {
        out.send(linkspan::message().put("watts", "much"));
        CHECK(!"it was sent");
    } catch (const linkspan::wrong_type &e) {
        CHECK(e.path() == "watts" && says(e, "f64 in W is expected"));
    }
    try {
        linkspan::subscriber(endpoint, with(kilowatts)).recv(20s);
        CHECK(!"it was received");
    } catch (const linkspan::schema_mismatch &e) {
        CHECK(e.code() == LINKSPAN_SCHEMA_MISMATCH && says(e, "watts: the unit is W there and kW here"));
    }
    CHECK(linkspan::schema(endpoint).get<std::string>("type/fields/0/type/unit") == "W");
    CHECK(linkspan::subscriber(endpoint, with(newer)).recv(20s).get<double>("watts") == 230.5);
}

} // namespace

int main() {
    on("unix:test/schema");
    on("shm:test/schema");
    std::puts("ok");
}
