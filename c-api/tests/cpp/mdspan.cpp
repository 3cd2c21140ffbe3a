// std::mdspan of an array, if the standard library has it.
#include <linkspan.hpp>

#include <cstdio>

#include "check.hpp"

int main() {
#ifdef __cpp_lib_mdspan
    const double elements[] = {1, 2, 3, 4, 5, 6};
    for (const auto order : {linkspan::order::row, linkspan::order::column}) {
        linkspan::message m;
        m.put("a", linkspan::array_view<double>(elements, {2, 3}, order));
        const auto view = m.get<linkspan::array_view<double>>("a");
        const auto span = view.mdspan<2>();
        CHECK(span.extent(0) == 2 && span.extent(1) == 3 && span.data_handle() == view.data());
        for (std::size_t i = 0; i < 2; ++i) {
            for (std::size_t j = 0; j < 3; ++j) CHECK((span[i, j]) == view(i, j));
        }
        try {
            view.mdspan<3>();
            CHECK(false);
        } catch (const std::out_of_range &) {
        }
    }
    std::puts("ok");
#else
    std::puts("no mdspan");
#endif
}
