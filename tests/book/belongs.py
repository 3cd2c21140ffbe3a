"""Classes, methods, commands and C objects that belong to each machinery row in tests/README.md."""

BELONGS = {
    "channel": """
        Channel; Channel.ack; Channel.begin_open; Channel.close; Channel.connect; Channel.dial; Channel.events;
        Channel.fileno; Channel.flush; Channel.join; Channel.open; Channel.poll; Channel.recv; Channel.recv_many; Channel.reply;
        Channel.send; Channel.send_many; Channel.stats; Channel.try_recv; Channel.try_send;
        Event;
        Listener; Listener.accept; Listener.close; Listener.events; Listener.fileno; Listener.stats;
        Options;
        linkspan_channel; linkspan_free; linkspan_last; linkspan_listener; linkspan_set; linkspan_status;
        linkspan_version;
    """,
    "call": """
        Channel.call; Channel.finish_call; Channel.start_call;
        linkspan_pending; linkspan_reply;
    """,
    "server": """
        Request; Request.ack; Request.at; Request.check_fingerprint; Request.fail; Request.get; Request.items;
        Request.keys; Request.reply; Request.values; Request.view;
        Server; Server.close; Server.events; Server.fileno; Server.next; Server.run; Server.stats;
        linkspan_request; linkspan_server;
    """,
    "object on the air": """
        Shared; Shared.close; Shared.run; Shared.stats;
    """,
    "publisher": """
        Publisher; Publisher.close; Publisher.events; Publisher.flush; Publisher.send; Publisher.send_many;
        Publisher.stats; Publisher.wait_for_subscribers;
        linkspan_publisher;
    """,
    "loan": """
        BytesLoan; BytesLoan.truncate;
        Channel.loan; Channel.loan_bytes;
        Publisher.loan; Publisher.loan_bytes;
        Request.loan; Request.loan_bytes;
        linkspan_loan;
    """,
    "subscriber of a name": """
        Subscriber; Subscriber.ack; Subscriber.close; Subscriber.dial; Subscriber.events; Subscriber.fileno;
        Subscriber.has_joined; Subscriber.next;
        Subscriber.poll; Subscriber.recv; Subscriber.recv_many; Subscriber.stats; Subscriber.try_iter;
        Subscriber.try_recv;
        linkspan_subscriber;
    """,
    "newest value": """
        linkspan_latest;
    """,
    "several objects": """
        linkspan_wait;
    """,
    "asyncio": """
        aio.Channel; aio.Channel.ack; aio.Channel.call; aio.Channel.close; aio.Channel.events;
        aio.Channel.fileno; aio.Channel.flush; aio.Channel.loan; aio.Channel.loan_bytes; aio.Channel.poll;
        aio.Channel.recv; aio.Channel.reply; aio.Channel.send; aio.Channel.stats; aio.Channel.try_recv;
        aio.Channel.try_send;
        aio.Listener; aio.Listener.accept; aio.Listener.close; aio.Listener.fileno;
        aio.Publisher; aio.Publisher.close; aio.Publisher.events; aio.Publisher.flush; aio.Publisher.loan;
        aio.Publisher.loan_bytes; aio.Publisher.send; aio.Publisher.send_many; aio.Publisher.stats;
        aio.Publisher.wait_for_subscribers;
        aio.Server; aio.Server.close; aio.Server.events; aio.Server.fileno; aio.Server.next; aio.Server.run;
        aio.Server.stats;
        aio.Subscriber; aio.Subscriber.ack; aio.Subscriber.close; aio.Subscriber.events;
        aio.Subscriber.fileno; aio.Subscriber.next; aio.Subscriber.poll; aio.Subscriber.recv;
        aio.Subscriber.stats; aio.Subscriber.try_iter; aio.Subscriber.try_recv;
        aio.connect;
        aio.latest;
        aio.listen;
        aio.names;
        aio.open;
        aio.publisher;
        aio.serve;
        aio.subscribe;
        aio.until;
        aio.wait;
    """,
    "service": """
        Command; Command.of;
        Outcome;
        Service; Service.data; Service.log; Service.on_backup; Service.on_checkpoint; Service.on_config;
        Service.on_pause; Service.on_resume; Service.on_start; Service.on_stop; Service.problem;
        Service.shutdown; Service.step;
        ServiceLoop; ServiceLoop.close; ServiceLoop.fail; ServiceLoop.fileno; ServiceLoop.log;
        ServiceLoop.next; ServiceLoop.set_reason; ServiceLoop.shutdown; ServiceLoop.stats;
        ServiceOptions;
        State;
        Task; Task.done; Task.failed;
        View;
        linkspan_service; linkspan_state;
        service backup; service call; service cancel; service checkpoint; service config; service describe;
        service forget; service get; service logs; service ls; service pause; service shutdown; service stats;
        service status; service watch;
    """,
    "any program as a service": """
        service run;
    """,
    "controller": """
        Answer; Answer.result;
        Controller; Controller.answer; Controller.begin; Controller.close; Controller.command;
        Controller.fileno; Controller.forget; Controller.log; Controller.next; Controller.order;
        Controller.service; Controller.services; Controller.stats; Controller.status; Controller.watch;
        ServiceHandle; ServiceHandle.answer; ServiceHandle.backup; ServiceHandle.cancel;
        ServiceHandle.checkpoint; ServiceHandle.command; ServiceHandle.config; ServiceHandle.describe;
        ServiceHandle.forget; ServiceHandle.get_data; ServiceHandle.log; ServiceHandle.order;
        ServiceHandle.pause; ServiceHandle.run; ServiceHandle.shutdown; ServiceHandle.stats;
        ServiceHandle.status;
        linkspan_controller;
    """,
    "page of the controller": """
        service page;
    """,
    "recordings in Python": """
        RecordedMessage; RecordedMessage.at; RecordedMessage.check_fingerprint; RecordedMessage.get;
        RecordedMessage.items; RecordedMessage.keys; RecordedMessage.values; RecordedMessage.view;
        RecordedName;
        Recording.batches; Recording.close; Recording.frames; Recording.messages; Recording.schema;
        Recording.table; Recording.write_arrow; Recording.write_hdf5; Recording.write_parquet;
        Table; Table.close; Table.keys; Table.to_arrow; Table.to_pandas; Table.to_polars; Table.unit;
    """,
    "gateway": """
        gateway token;
    """,
    "memory of other programs": """
        Region; Region.bytes; Region.close; Region.read; Region.sizeof; Region.text;
        linkspan_region; linkspan_walk;
    """,
    "schemas": """
        linkspan_record; linkspan_schema;
        schema check; schema diff; schema export; schema fingerprint; schema generate; schema import; schema
        infer; schema show; schema validate;
    """,
    "values and encodings": """
        Message; Message.at; Message.check_fingerprint; Message.get; Message.items; Message.keys;
        Message.values; Message.view;
        NdArray; NdArray.tolist;
        Timestamp; Timestamp.from_datetime; Timestamp.from_datetime64; Timestamp.now; Timestamp.parse;
        Timestamp.to_datetime; Timestamp.to_datetime64;
        linkspan_array; linkspan_decode; linkspan_encode; linkspan_encoding; linkspan_message;
        linkspan_timestamp; linkspan_transcode;
    """,
    "what is open": """
        linkspan_names;
    """,
    "keys of machines": """
        keys list; keys new; keys revoke; keys show; keys trust;
    """,
}
