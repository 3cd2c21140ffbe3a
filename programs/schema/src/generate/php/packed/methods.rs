//! The PHP methods to encode and decode packed records.

/// Additional methods of the reader in a file of packed records.
pub(super) const METHODS: &str = r#"
/**
 * Returns the value of a field after `$check`, with the path in an error.
 *
 * @template T
 * @param \Closure(mixed): T $check
 * @return T
 */
public static function checked(string $path, \Closure $check, mixed $value): mixed
{
    return self::field([$path => $value], [$path], $check);
}

/**
 * Returns the fields of a packed record; WrongType for other values.
 *
 * @return array<string, mixed>
 */
public static function unpacked(string $format, int $size, mixed $block): array
{
    if (!$block instanceof \Linkspan\Bytes && !is_string($block)) {
        throw self::wrong('bytes', $block);
    }
    $found = strlen((string) $block);
    if ($found !== $size) {
        throw new \Linkspan\WrongTypeException("$size packed bytes are expected, $found were found");
    }
    return unpack($format, (string) $block) ?: throw self::wrong('bytes', $block);
}

public static function truth(string $path, int $byte): bool
{
    return $byte < 2 ? $byte === 1 : throw new \Linkspan\OutOfRangeException("$path: a bool is expected, the byte $byte was found");
}

/**
 * Returns the case of an enum with this number.
 *
 * @template T of \BackedEnum
 * @param class-string<T> $enum
 * @return T
 */
public static function numbered(string $path, string $enum, int $number): \BackedEnum
{
    return $enum::cases()[$number]
        ?? throw new \Linkspan\OutOfRangeException("$path: a number below " . count($enum::cases()) . " is expected for $enum, $number was found");
}

/** Returns the number of a case. */
public static function number(\BackedEnum $case): int
{
    return (int) array_search($case, $case::cases(), true);
}

/** Returns a number of `$bits` bits, whose highest bit is the sign. */
public static function signed(int $number, int $bits): int
{
    $sign = 1 << ($bits - 1);
    return ($number ^ $sign) - $sign;
}

/** Returns 64 bits as an unsigned number. */
public static function unsigned(int $bits): int|\Linkspan\BigInt
{
    return $bits < 0 ? new \Linkspan\BigInt(sprintf('%u', $bits)) : $bits;
}

/** Returns the 64 bits of an unsigned number. */
public static function bits(int|\Linkspan\BigInt $number): int
{
    if (is_int($number)) {
        return $number;
    }
    [$high, $low] = [0, 0];
    foreach (str_split((string) $number) as $digit) {
        $low = $low * 10 + (int) $digit;
        $high = $high * 10 + ($low >> 32);
        $low &= 0xFFFFFFFF;
    }
    return $high << 32 | $low;
}

/**
 * Returns the elements of an array in this order.
 *
 * @param list<int> $shape
 */
public static function elements(\Linkspan\NdArray $array, array $shape, string $order): string
{
    $size = intdiv(strlen($array->data), array_product($shape));
    if ($array->order === $order || $size === 0) {
        return $array->data;
    }
    // The other order reverses the strides of the dimensions.
    $lengths = $order === 'row' ? $shape : array_reverse($shape);
    $weights = [];
    $weight = 1;
    foreach ($lengths as $at => $length) {
        $weights[$at] = $weight;
        $weight *= $length;
    }
    $elements = str_split($array->data, $size);
    $out = '';
    for ($to = 0; $to < $weight; $to++) {
        $from = 0;
        for ($rest = $to, $at = count($lengths) - 1; $at >= 0; $at--) {
            $from += $rest % $lengths[$at] * $weights[$at];
            $rest = intdiv($rest, $lengths[$at]);
        }
        $out .= $elements[$from];
    }
    return $out;
}

/**
 * Returns an array of these elements.
 *
 * @param list<int> $shape
 */
public static function ndarray(string $path, string $dtype, array $shape, string $order, string $elements): \Linkspan\NdArray
{
    if ($dtype === 'bool' && strspn($elements, "\0\1") !== strlen($elements)) {
        throw new \Linkspan\OutOfRangeException("$path: bools are expected, another byte than 0 and 1 was found");
    }
    return new \Linkspan\NdArray($dtype, $shape, $elements, $order);
}"#;
