<?php
// Replies to each value with the results of `decode` and `fromWire`, whether the plan made an instance without user
// code, and whether the instance is sent like its `toWire`. A null ends the program.
// Usage: GENERATED=FOLDER plans.php ENDPOINT

declare(strict_types=1);

require getenv('GENERATED') . '/GridEverything.php';

/** Returns a comparable value: floats and classes of the extension as bytes, instances with their class. */
function plain(mixed $value): mixed
{
    if (is_array($value)) {
        return array_map(plain(...), $value) + ['kind' => array_is_list($value) ? 'list' : 'map'];
    }
    if (!is_object($value) || $value instanceof UnitEnum) {
        return is_object($value) ? $value::class . "::{$value->name}" : get_debug_type($value) . bin2hex(Linkspan\encode($value));
    }
    if (str_starts_with($value::class, 'Linkspan\\')) {
        return $value::class . bin2hex(Linkspan\encode($value));
    }
    return ['class' => $value::class] + array_map(plain(...), get_object_vars($value));
}

/** Returns the result of a call as JSON, or its error as text. */
function outcome(Closure $make): string
{
    try {
        return json_encode(plain($make()), JSON_THROW_ON_ERROR);
    } catch (Linkspan\LinkspanException $error) {
        return $error::class . ' ' . $error->getCode() . ' ' . $error->getMessage();
    }
}

$server = Linkspan\Server::serve($argv[1], timeout: 60.0);
echo "ready\n";
foreach ($server as $request) {
    if ($request->value === null) {
        $request->reply(null);
        break;
    }
    $read = null;
    $answer = [
        'decoded' => outcome(fn () => GridEverything::decode($request)),
        'read' => outcome(function () use ($request, &$read) {
            return $read = GridEverything::fromWire($request->value);
        }),
        'by_plan' => Linkspan\decode_instance(GridEverything::class, $request) !== null,
        'sent_alike' => true,
    ];
    foreach ($read !== null ? ['cbor', 'json', 'bson', 'smile'] : [] as $encoding) {
        $answer['sent_alike'] = $answer['sent_alike'] && Linkspan\encode($read, $encoding) === Linkspan\encode($read->toWire(), $encoding)
            && Linkspan\encode(['in' => [$read]], $encoding) === Linkspan\encode(['in' => [$read->toWire()]], $encoding);
    }
    $request->reply($answer);
}
$server->close();
