<?php

// Messages of the schema boiler.reading, version 1.
// Written by `linkspan schema generate --lang php`: change the schema and generate it again.

declare(strict_types=1);

/** boiler.reading. */
final class BoilerReading
{
    /** The schema, for the option `schema` of an endpoint. */
    public const SCHEMA = 'name = "boiler.reading"
    version = 1

    [fields.id]
    type = "u32"

    [fields.name]
    type = "text"

    [fields.temperature]
    type = "f64"
    unit = "Cel"
    range = [-50.0, 150.0]

    [fields.pressure]
    type = "f64"
    unit = "bar"
    range = [0.0, 16.0]

    [fields.unit]
    type = "text"
    max_length = 16

    [fields.ok]
    type = "bool"

    [fields.station]
    type = "text"

    [fields.count]
    type = "u64"

    [fields.time]
    type = "f64"

    [fields.note]
    type = "text"
    optional = true
    ';

    /** The fingerprint of the schema. */
    public const FINGERPRINT = '7a3045175406021a200a282781e094042fbf6a78f437f3a8cf28ec46f5329141';

    /** @internal The keys and the type of each property, and whether null is left out. */
    public const LINKSPAN_FIELDS = [
        'id' => [['id'], 'u32'],
        'name' => [['name'], 'text'],
        'temperature' => [['temperature'], 'f64'],
        'pressure' => [['pressure'], 'f64'],
        'unit' => [['unit'], 'text'],
        'ok' => [['ok'], 'bool'],
        'station' => [['station'], 'text'],
        'count' => [['count'], 'u64'],
        'time' => [['time'], 'f64'],
        'note' => [['note'], 'text', true],
    ];

    /**
     * @param int $id
     * @param string $name
     * @param float $temperature Unit: Cel. Range: [-50.0, 150.0].
     * @param float $pressure Unit: bar. Range: [0.0, 16.0].
     * @param string $unit At most 16 bytes of UTF-8.
     * @param bool $ok
     * @param string $station
     * @param int|\Linkspan\BigInt $count
     * @param float $time
     * @param string|null $note Optional.
     */
    public function __construct(
        public readonly int $id,
        public readonly string $name,
        public readonly float $temperature,
        public readonly float $pressure,
        public readonly string $unit,
        public readonly bool $ok,
        public readonly string $station,
        public readonly int|\Linkspan\BigInt $count,
        public readonly float $time,
        public readonly ?string $note = null,
    ) {
    }

    /** Returns the value in the form that `send` takes. */
    public function toWire(): \stdClass
    {
        $out = [];
        $out['id'] = $this->id;
        $out['name'] = $this->name;
        $out['temperature'] = $this->temperature;
        $out['pressure'] = $this->pressure;
        $out['unit'] = $this->unit;
        $out['ok'] = $this->ok;
        $out['station'] = $this->station;
        $out['count'] = $this->count;
        $out['time'] = $this->time;
        if ($this->note !== null) {
            $out['note'] = $this->note;
        }
        return (object) $out;
    }

    /**
     * Returns the record in the value of a message.
     *
     * @throws \Linkspan\LinkspanException SchemaMismatch for a message of another schema; Missing,
     *     WrongType or OutOfRange for a wrong value
     */
    public static function fromWire(mixed $value): self
    {
        $fields = BoilerReadingReader::fields($value);
        return new self(
            id: BoilerReadingReader::field($fields, ['id'], BoilerReadingReader::integer('u32', 0, 4294967295)),
            name: BoilerReadingReader::field($fields, ['name'], BoilerReadingReader::text(...)),
            temperature: BoilerReadingReader::field($fields, ['temperature'], BoilerReadingReader::f64(...)),
            pressure: BoilerReadingReader::field($fields, ['pressure'], BoilerReadingReader::f64(...)),
            unit: BoilerReadingReader::field($fields, ['unit'], BoilerReadingReader::text(...)),
            ok: BoilerReadingReader::field($fields, ['ok'], BoilerReadingReader::boolean(...)),
            station: BoilerReadingReader::field($fields, ['station'], BoilerReadingReader::text(...)),
            count: BoilerReadingReader::field($fields, ['count'], BoilerReadingReader::u64(...)),
            time: BoilerReadingReader::field($fields, ['time'], BoilerReadingReader::f64(...)),
            note: BoilerReadingReader::optional($fields, ['note'], BoilerReadingReader::text(...)),
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
        return \Linkspan\decode_instance(self::class, $message) ?? self::fromWire($message->value);
    }
}

/**
 * Reads the values of a message.
 *
 * @internal
 */
final class BoilerReadingReader
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
}
