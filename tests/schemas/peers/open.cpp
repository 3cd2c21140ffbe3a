// Opens a publisher with the schema in a file: `open PATH` prints the status and the error's text.
#include <linkspan.hpp>

#include <iostream>

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    try {
        linkspan::options options;
        options.schema = argv[1];
        const linkspan::publisher out("unix:refused/cpp", options);
        std::cout << "0 \n";
    } catch (const linkspan::error &error) {
        std::cout << error.code() << ' ' << error.what() << '\n';
    }
    return 0;
}
