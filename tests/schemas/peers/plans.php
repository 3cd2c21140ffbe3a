<?php
// Answers each value with what `decode` and `fromWire` make of it, whether the plan alone made an instance, and whether the instance
// is sent as its `toWire` is. Usage: plans.php ENDPOINT; the environment says where the generated code is. Null ends it.

declare(strict_types=1);

require getenv('GENERATED') . '/GridEverything.php';

/** A value that can be compared: floats and the extension's classes by their bytes, instances with their class. */
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

/** What a call returns, or the error that it raises. */
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
