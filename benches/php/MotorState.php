<?php

// Messages of the schema motor.state, version 1.
// Written by `linkspan schema generate --lang php`: change the schema and generate it again.

declare(strict_types=1);

/** motor.state.mode. */
enum MotorStateMode: string
{
    case Off = 'OFF';
    case Slow = 'SLOW';
    case Fast = 'FAST';
}

/** motor.state. */
final class MotorState
{
    /** The schema, for the option `schema` of an endpoint. */
    public const SCHEMA = 'name = "motor.state"
    version = 1
    layout = "packed"
    # 72 bytes, aligned to 8; offset and size of each field:
    #      0      1  on: bool
    #      8      8  at: timestamp
    #     16      1  mode: enum of OFF, SLOW, FAST
    #     20      4  speed: f32 in /s
    #     24      8  current: f64 in A
    #     32      8  voltage: f64 in V
    #     40      8  torque: f64 in N.m
    #     48      8  angle: f64 in rad
    #     56      8  turns: u64
    #     64      4  errors: u32

    [fields.on]
    type = "bool"

    [fields.at]
    type = "timestamp"

    [fields.mode]
    type = "enum"
    values = ["OFF", "SLOW", "FAST"]

    [fields.speed]
    type = "f32"
    unit = "/s"

    [fields.current]
    type = "f64"
    unit = "A"

    [fields.voltage]
    type = "f64"
    unit = "V"

    [fields.torque]
    type = "f64"
    unit = "N.m"

    [fields.angle]
    type = "f64"
    unit = "rad"

    [fields.turns]
    type = "u64"

    [fields.errors]
    type = "u32"
    ';

    /** The fingerprint of the schema. */
    public const FINGERPRINT = '62d633adb3251dccc64a0da7cf0d8361cb038d987498bbf74aeaae880ac5912d';

    /** The bytes of a message. */
    public const SIZE = 72;

    /** @internal The first byte and the type of each property. */
    public const LINKSPAN_PACKED = [
        'on' => [0, 'bool'],
        'at' => [8, 'timestamp'],
        'mode' => [16, ['enum', MotorStateMode::class]],
        'speed' => [20, 'f32'],
        'current' => [24, 'f64'],
        'voltage' => [32, 'f64'],
        'torque' => [40, 'f64'],
        'angle' => [48, 'f64'],
        'turns' => [56, 'u64'],
        'errors' => [64, 'u32'],
    ];

    /**
     * @param bool $on
     * @param \Linkspan\Timestamp $at
     * @param MotorStateMode $mode
     * @param float $speed Unit: /s.
     * @param float $current Unit: A.
     * @param float $voltage Unit: V.
     * @param float $torque Unit: N.m.
     * @param float $angle Unit: rad.
     * @param int|\Linkspan\BigInt $turns
     * @param int $errors
     */
    public function __construct(
        public readonly bool $on,
        public readonly \Linkspan\Timestamp $at,
        public readonly MotorStateMode $mode,
        public readonly float $speed,
        public readonly float $current,
        public readonly float $voltage,
        public readonly float $torque,
        public readonly float $angle,
        public readonly int|\Linkspan\BigInt $turns,
        public readonly int $errors,
    ) {
    }

    /**
     * The bytes of a message. Bytes between the fields are zero.
     *
     * @throws \Linkspan\LinkspanException WrongType or OutOfRange for a wrong field
     */
    public function pack(): string
    {
        return \Linkspan\pack_instance($this) ?? pack(
            'Cx7PCx3geeeePVx4',
            (int) $this->on,
            $this->at->nanoseconds,
            match ($this->mode) { MotorStateMode::Off => 0, MotorStateMode::Slow => 1, MotorStateMode::Fast => 2 },
            $this->speed > -3.4e38 && $this->speed < 3.4e38 ? $this->speed : MotorStateReader::checked('speed', MotorStateReader::f32(...), $this->speed),
            $this->current,
            $this->voltage,
            $this->torque,
            $this->angle,
            is_int($this->turns) && $this->turns >= 0 ? $this->turns : MotorStateReader::bits(MotorStateReader::checked('turns', MotorStateReader::u64(...), $this->turns)),
            $this->errors >= 0 && $this->errors <= 4294967295 ? $this->errors : MotorStateReader::checked('errors', MotorStateReader::integer('u32', 0, 4294967295), $this->errors),
        );
    }

    /**
     * Returns the record in the bytes of a message.
     *
     * @throws \Linkspan\LinkspanException WrongType or OutOfRange for invalid bytes
     */
    public static function unpack(string|\Linkspan\Bytes $block): self
    {
        return \Linkspan\unpack_instance(self::class, $block) ?? self::fromWire($block);
    }

    /** Returns the value in the form that `send` takes. */
    public function toWire(): \Linkspan\Bytes
    {
        return new \Linkspan\Bytes($this->pack());
    }

    /**
     * Returns the record in the value of a message.
     *
     * @throws \Linkspan\LinkspanException WrongType or OutOfRange for invalid bytes
     */
    public static function fromWire(mixed $value): self
    {
        $fields = MotorStateReader::unpacked('Cf0/x7/Pf1/Cf2/x3/gf3/ef4/ef5/ef6/ef7/Pf8/Vf9', self::SIZE, $value);
        return new self(
            on: $fields['f0'] < 2 ? $fields['f0'] === 1 : MotorStateReader::truth('on', $fields['f0']),
            at: new \Linkspan\Timestamp($fields['f1']),
            mode: match ($fields['f2']) { 0 => MotorStateMode::Off, 1 => MotorStateMode::Slow, 2 => MotorStateMode::Fast, default => MotorStateReader::numbered('mode', MotorStateMode::class, $fields['f2']) },
            speed: $fields['f3'],
            current: $fields['f4'],
            voltage: $fields['f5'],
            torque: $fields['f6'],
            angle: $fields['f7'],
            turns: $fields['f8'] >= 0 ? $fields['f8'] : MotorStateReader::unsigned($fields['f8']),
            errors: $fields['f9'],
        );
    }

    /**
     * Returns the value of a message.
     *
     * @throws \Linkspan\LinkspanException Missing, WrongType or OutOfRange for a wrong value
     */
    public static function decode(\Linkspan\Message|\Linkspan\Request $message): self
    {
        $message->checkFingerprint(self::FINGERPRINT);
        return \Linkspan\unpack_instance(self::class, $message->value) ?? self::fromWire($message->value);
    }
}

/**
 * Reads the values of a message.
 *
 * @internal
 */
final class MotorStateReader
{
    public static function wrong(string $expected, mixed $value): \Linkspan\LinkspanException
    {
        return new \Linkspan\WrongTypeException("$expected is expected, " . get_debug_type($value) . ' was found');
    }

    public static function anything(mixed $value): mixed
    {
        return $value;
    }

    public static function boolean(mixed $value): bool
    {
        return is_bool($value) ? $value : throw self::wrong('a bool', $value);
    }

    /** @return \Closure(mixed): int */
    public static function integer(string $name, int $low, int $high): \Closure
    {
        return static function (mixed $value) use ($name, $low, $high): int {
            if ($value instanceof \Linkspan\BigInt || (is_int($value) && ($value < $low || $value > $high))) {
                throw new \Linkspan\OutOfRangeException("$name is expected, $value was found");
            }
            return is_int($value) ? $value : throw self::wrong($name, $value);
        };
    }

    public static function u64(mixed $value): int|\Linkspan\BigInt
    {
        if ($value instanceof \Linkspan\BigInt) {
            $digits = (string) $value;
            $length = strlen($digits);
            $fits = $digits[0] !== '-' && ($length < 20 || ($length === 20 && strcmp($digits, '18446744073709551615') <= 0));
            return $fits ? $value : throw new \Linkspan\OutOfRangeException("u64 is expected, $value was found");
        }
        if (is_int($value) && $value < 0) {
            throw new \Linkspan\OutOfRangeException("u64 is expected, $value was found");
        }
        return is_int($value) ? $value : throw self::wrong('u64', $value);
    }

    public static function f64(mixed $value): float
    {
        return is_float($value) ? $value : self::exact('f64', $value, 2 ** 53);
    }

    public static function f32(mixed $value): float
    {
        if (is_float($value) && is_finite($value) && abs($value) >= 3.4028235677973366e38) {
            throw new \Linkspan\OutOfRangeException("f32 is expected, $value was found");
        }
        return is_float($value) ? $value : self::exact('f32', $value, 2 ** 24);
    }

    private static function exact(string $name, mixed $value, int $most): float
    {
        if (!is_int($value)) {
            throw self::wrong($name, $value);
        }
        if ($value < -$most || $value > $most) {
            throw new \Linkspan\OutOfRangeException("$name is expected, $value was found");
        }
        return (float) $value;
    }

    public static function text(mixed $value): string
    {
        return is_string($value) ? $value : throw self::wrong('text', $value);
    }

    /**
     * @template T of object
     * @param class-string<T> $class
     * @return \Closure(mixed): T
     */
    public static function object(string $class): \Closure
    {
        return static fn (mixed $value): object => $value instanceof $class ? $value : throw self::wrong($class, $value);
    }

    /**
     * Returns the case of an enum with this name in messages; the default for an unknown name.
     *
     * @template T of \BackedEnum
     * @param class-string<T> $enum
     * @param T|null $default
     * @return \Closure(mixed): T
     */
    public static function name(string $enum, ?\BackedEnum $default = null): \Closure
    {
        return static fn (mixed $value): \BackedEnum => $enum::tryFrom(self::text($value))
            ?? $default
            ?? throw new \Linkspan\WrongTypeException("a name of $enum is expected, '$value' was found");
    }

    /**
     * @template T
     * @param \Closure(mixed): T $read
     * @return \Closure(mixed): list<T>
     */
    public static function items(\Closure $read): \Closure
    {
        return static function (mixed $value) use ($read): array {
            if (!is_array($value) || !array_is_list($value)) {
                throw self::wrong('a list', $value);
            }
            return array_map($read, $value);
        };
    }

    /**
     * @template T
     * @param \Closure(mixed): T $read
     * @return \Closure(mixed): array<string, T>
     */
    public static function entries(\Closure $read): \Closure
    {
        return static fn (mixed $value): array => array_map($read, self::fields($value));
    }

    /**
     * @param list<int|null>|null $shape
     * @return \Closure(mixed): \Linkspan\NdArray
     */
    public static function array(string $dtype, ?array $shape, ?string $order): \Closure
    {
        return static function (mixed $value) use ($dtype, $shape, $order): \Linkspan\NdArray {
            if (!$value instanceof \Linkspan\NdArray) {
                throw self::wrong("an N-d array of $dtype", $value);
            }
            $fits = $value->dtype === $dtype && ($shape === null || count($shape) === count($value->shape));
            foreach ($fits && $shape !== null ? $shape : [] as $at => $length) {
                $fits = $fits && ($length === null || $length === $value->shape[$at]);
            }
            $long = count(array_filter($value->shape, static fn (int $length): bool => $length > 1));
            $inLine = $long <= 1 || in_array(0, $value->shape, true);
            if (!$fits || ($order !== null && !$inLine && $value->order !== $order)) {
                $found = "$value->dtype [" . implode(', ', $value->shape) . "] in $value->order order";
                $lengths = $shape === null ? '' : ' [' . implode(', ', array_map(static fn (?int $n): string => (string) ($n ?? '*'), $shape)) . ']';
                throw new \Linkspan\WrongTypeException("an N-d array of $dtype$lengths is expected, one of $found was found");
            }
            return $value;
        };
    }

    /** @return array<array-key, mixed> */
    public static function fields(mixed $value): array
    {
        return match (true) {
            $value instanceof \stdClass => get_object_vars($value),
            is_array($value) && !array_is_list($value) => $value,
            default => throw self::wrong('a map', $value),
        };
    }

    /**
     * @template T
     * @param array<array-key, mixed> $fields
     * @param non-empty-list<string> $keys the key and its older names
     * @param \Closure(mixed): T $read
     * @param (\Closure(): T)|null $default
     * @return T
     */
    public static function field(array $fields, array $keys, \Closure $read, ?\Closure $default = null): mixed
    {
        foreach ($keys as $key) {
            if (array_key_exists($key, $fields)) {
                try {
                    return $read($fields[$key]);
                } catch (\Linkspan\LinkspanException $error) {
                    throw new ($error::class)("$key: {$error->getMessage()}", $error->getCode(), $error);
                }
            }
        }
        return $default !== null ? $default() : throw new \Linkspan\MissingException("the field $keys[0] is missing");
    }

    /**
     * @template T
     * @param array<array-key, mixed> $fields
     * @param non-empty-list<string> $keys the key and its older names
     * @param \Closure(mixed): T $read
     * @return T|null
     */
    public static function optional(array $fields, array $keys, \Closure $read): mixed
    {
        foreach ($keys as $key) {
            if (isset($fields[$key])) {
                return self::field($fields, [$key], $read);
            }
        }
        return null;
    }

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
    }
}
