// Reads a CBOR message into the generated struct and writes it back: `echo IN OUT`.
#include ECHO_HEADER

#include <linkspan.hpp>

#include <fstream>
#include <iostream>
#include <iterator>

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    std::ifstream in(argv[1], std::ios::binary);
    const std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    try {
        linkspan::message made;
        const linkspan::message message = linkspan::decode(bytes, linkspan::encoding::cbor);
        // Also as one value of a message that the program builds.
        const auto around = linkspan::message().put("it", ECHO_TYPE::decode(message));
        around.get<ECHO_TYPE>("it").encode(made);
        const auto encoded = linkspan::encode(made, linkspan::encoding::cbor);
        std::ofstream out(argv[2], std::ios::binary);
        out.write(reinterpret_cast<const char *>(encoded.data()), static_cast<std::streamsize>(encoded.size()));
        return out.good() ? 0 : 2;
    } catch (const linkspan::error &error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
