// Arrays and matrices of Eigen, by the recipe of docs/cpp.md, which the test writes to eigen.cpp.
#include "eigen.cpp"

#include <cstdio>

#include "check.hpp"

int main() {
    Eigen::MatrixXd a(2, 3);
    a << 1, 2, 3, 4, 5, 6;
    linkspan::message m;
    put(m, "columns", a);
    const double rows[] = {1, 2, 3, 4, 5, 6};
    m.put("rows", linkspan::array_view<double>(rows, {2, 3}));
    // Eigen is column-major.
    CHECK(m.get<linkspan::array_view<double>>("columns")[1] == 4 && m.get<linkspan::array_view<double>>("rows")[1] == 2);
    CHECK(matrix(m, "columns") == a && matrix(m, "rows") == a);
    std::puts("ok");
}
